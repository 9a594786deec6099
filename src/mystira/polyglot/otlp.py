"""Sends spans to an OpenTelemetry collector over HTTP; loaded only where traces are wanted."""

from hashlib import blake2b

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as SdkSpan

from mystira.polyglot.spans import Open

UUID_DIGITS = 32
SPAN_MASK = (1 << 64) - 1
FLUSH_MS = 3_000


class OtlpCollector:
    """Keeps spans for a moment and sends them together, from a thread of its own. What cannot be sent is dropped."""

    def __init__(self, endpoint: str, process: str) -> None:
        self._ids = _Ids()
        about = Resource.create({"service.name": "mystira", "service.instance.id": process})
        self._provider = TracerProvider(resource=about, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("mystira")

    def begin(
        self, name: str, correlation_id: str, parent: Open | None, *, begins: bool, at_ns: int | None = None
    ) -> "OtlpSpan":
        """Begin a span in the trace of a correlation; without a parent it hangs on the first one of that trace."""
        trace = trace_of(correlation_id)
        if begins:
            self._ids.next = trace
            return OtlpSpan(self._tracer.start_span(name, start_time=at_ns))
        if isinstance(parent, OtlpSpan):
            above = parent.span
        else:
            above = NonRecordingSpan(SpanContext(trace, first_span_of(trace), True, TraceFlags(TraceFlags.SAMPLED)))
        return OtlpSpan(self._tracer.start_span(name, set_span_in_context(above), start_time=at_ns))

    def close(self) -> None:
        """Send what is left, and end. It may take some seconds."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()


class OtlpSpan:
    """A span of the SDK's."""

    def __init__(self, span: SdkSpan) -> None:
        self.span = span

    def end(
        self, attributes: dict[str, str], *, name: str = "", failed: bool = False, at_ns: int | None = None
    ) -> None:
        """End it, under another name if one is known by now."""
        if name:
            self.span.update_name(name)
        self.span.set_attributes(attributes)
        if failed:
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end(at_ns)


class _Ids(IdGenerator):
    """Gives the first span of a trace the ids that everybody can work out from its correlation."""

    def __init__(self) -> None:
        self.next: int | None = None
        self._random = RandomIdGenerator()
        self._first: int | None = None

    def generate_trace_id(self) -> int:
        """Return the trace that is to begin."""
        trace, self.next = self.next, None
        if trace is None:
            return self._random.generate_trace_id()
        self._first = first_span_of(trace)
        return trace

    def generate_span_id(self) -> int:
        """Return the first span's id once, else a random one; the SDK asks for the trace's first."""
        first, self._first = self._first, None
        return self._random.generate_span_id() if first is None else first


def trace_of(correlation_id: str) -> int:
    """Return the trace of a correlation: the very number where that is a UUID, else one made from its text."""
    digits = correlation_id.replace("-", "")
    if len(digits) == UUID_DIGITS:
        try:
            return int(digits, 16) or 1
        except ValueError:
            pass
    return int.from_bytes(blake2b(correlation_id.encode(), digest_size=16).digest()) or 1


def first_span_of(trace: int) -> int:
    """Return the id of the first span of a trace."""
    return trace & SPAN_MASK or 1

"""What bundles refuse, and why."""

from mystira.polyglot.problem import Kind, Problem


class BundleNotFound(Problem):
    """This bundle does not exist or is not offered."""

    kind = Kind.NOT_FOUND


class BundleInvalid(Problem):
    """{reason}"""

    kind = Kind.UNPROCESSABLE


class BundleExists(Problem):
    """There is a bundle {bundle_id} already. Change that one, or choose another id."""

    kind = Kind.CONFLICT


class BundleStateWrong(Problem):
    """This bundle is {now}, so the only thing that can follow is {possible}."""

    kind = Kind.CONFLICT


class StepUnknown(Problem):
    """There is no step {step!r} in the life of a bundle. Choose one of: {steps}."""

    kind = Kind.NOT_FOUND


class BundleBought(Problem):
    """Families have bought this bundle, so it cannot be deleted. Archive it: nobody new can buy it then."""

    kind = Kind.CONFLICT


class StoriesMissing(Problem):
    """{reason}"""

    kind = Kind.UNPROCESSABLE

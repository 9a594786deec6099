"""`complete`, `restore-archive`, `certify`, `verify-certificate`: what is left when a collection has moved."""

from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from cyclopts import Parameter
from rich.console import Group
from rich.text import Text

from mystira.migrating.answers import Certificates, Checked, RestoredArchive
from mystira.migrating.exits import WrongUse, confirm, refuse
from mystira.migrating.moving import NoCertificate, drawn_certificate
from mystira.migrating.place import ASKED, READING, SURE, Asked, Place, Reading, Sure, chosen, perform
from mystira.migrating.showing import facts, show
from mystira.polyglot import archive
from mystira.polyglot.archivefiles import Manifest
from mystira.polyglot.certificate import NotGenuine, read_certificate, refuse_gaps
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import certificates_of
from mystira.terminal import print_json


def complete(collection: str, folder: Path, *, asked: Sure = SURE) -> None:
    """Archive the copy that nobody keeps any more to a folder, and remove it. Asks first.

    In PostgresOnly that are the documents; in CosmosOnly, after a rollback, the rows.
    """
    which = chosen(asked, collection)
    whole_path = folder.absolute()

    async def work(place: Place) -> Manifest:
        question = f"The old copy of {which.name} is archived in {folder} and then removed from its store."
        await confirm(question, yes=asked.yes)
        return await archive.complete(place.r, which, whole_path, **place.by)

    found = perform(asked, work, tending=True)
    if asked.json:
        print_json(found)
        return
    live = found.documents - found.tombstones
    size = sum(part.bytes for part in found.parts)
    held = "rows" if found.phase == Phase.COSMOS_ONLY else "documents"
    text = f"{live:,} {held} and {found.tombstones:,} tombstones are in {folder} ({size:,} bytes), and nowhere else."
    show(Group(Text(text), Text("Keep that folder. Its format is told in docs/archives.md.")))


def restore_archive(collection: str, folder: Path, *, asked: Asked = ASKED) -> None:
    """Make again what an archive holds and its store lacks. Nothing is written over."""
    which = chosen(asked, collection)
    whole_path = folder.absolute()

    async def work(place: Place) -> RestoredArchive:
        made = await archive.restore_archive(place.r, which, whole_path, **place.by)
        return RestoredArchive(collection=which.name, folder=str(whole_path), made=made)

    found = perform(asked, work)
    print_json(found) if asked.json else show(f"{found.made:,} of {found.collection} were made again.")


def certify(
    collection: str,
    *,
    all: Annotated[bool, Parameter(negative="", help="Every certificate, not only the newest.")] = False,
    out: Annotated[Path | None, Parameter(help="Write them as JSON to this new file.")] = None,
    asked: Reading = READING,
) -> None:
    """Hand out the certificate of the last change of leader, after checking the whole chain of them."""
    which = chosen(asked, collection)

    async def work(place: Place) -> Certificates:
        chain = await certificates_of(place.r, which)
        refuse_gaps(chain)
        if not chain:
            raise NoCertificate(collection=which.name)
        return Certificates(certificates=tuple(chain if all else chain[-1:]))

    found = perform(asked, work)
    if out is not None:
        _write(out, found, asked)
    if asked.json:
        print_json(found)
        return
    show(Group(*[Group(drawn_certificate(one), Text()) for one in found.certificates]))
    if out is not None:
        show(f"Written to {out}. Anybody can check it: mystira migrate verify-certificate {out}")


def verify_certificate(file: Path, *, asked: Reading = READING) -> None:
    """Check a file of certificates, without any store. Exit code 1 when anything in it was changed."""
    try:
        kept: Any = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        refuse(
            WrongUse(advice=f"{file} cannot be read ({error.strerror}). Name a file of certificates."), json=asked.json
        )
    except msgspec.DecodeError as error:
        refuse(NotGenuine(reason=f"{file} is no JSON ({error})"), json=asked.json)
    try:
        found = _checked(file, kept)
    except NotGenuine as problem:
        refuse(problem, json=asked.json)
    if asked.json:
        print_json(found)
        return
    names = ", ".join(found.collections)
    chain = "and each names the one before it" if found.chained else "but the file holds only part of a chain"
    show(
        Group(
            Text(f"Genuine: {found.genuine} of {names}, {chain}.", "green"),
            facts([("Last seal", found.last_seal)]),
            Text("A seal shows that nothing was changed since, not who made it: compare it with what you noted then."),
        )
    )


def _checked(file: Path, kept: Any) -> Checked:
    found = [read_certificate(one) for one in _listed(kept)]
    if not found:
        raise NotGenuine(reason="there is no certificate in the file")
    by_collection = {one.collection: [c for c in found if c.collection == one.collection] for one in found}
    for chain in by_collection.values():
        # A part of a chain is genuine, too; only what it holds has to hang together.
        first = msgspec.structs.replace(chain[0], previous="")
        refuse_gaps([first, *chain[1:]])
    chained = all(chain[0].previous == "" for chain in by_collection.values())
    return Checked(
        file=str(file),
        genuine=len(found),
        chained=chained,
        collections=tuple(sorted(by_collection)),
        last_seal=found[-1].seal,
    )


def _listed(kept: Any) -> list[Any]:
    """Return the certificates of a file: one alone, a list of them, or what `certify` wrote."""
    found: Any = cast(dict[str, Any], kept).get("certificates", [kept]) if isinstance(kept, dict) else kept
    return cast(list[Any], found) if isinstance(found, list) else []


def _write(out: Path, found: Certificates, asked: Reading) -> None:
    try:
        with out.open("xb") as target:
            target.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    except FileExistsError:
        refuse(WrongUse(advice=f"{out} is there already. Name a new file."), json=asked.json)
    except OSError as error:
        refuse(WrongUse(advice=f"{out} cannot be written ({error.strerror}). Name another file."), json=asked.json)

"""The planted defects: for each one what it is, and the text that makes it. See `mutants` for how they are tried."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One defect: in each `patch` a file, the text that stands there exactly once, and what stands there instead."""

    name: str
    what: str
    patches: tuple[tuple[str, str, str], ...]


def _one(name: str, what: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, what, ((file, old, new),))


_TIMEOUT = '        reason = no.reading.reason\n        store.end_attempt(document.id, "unknown", now)\n'
_QUEUED = (
    '        store.end_attempt(document.id, "later", now)\n'
    '        store.move(document.id, State.QUEUED, now, "agent", no.reading.reason)\n'
    "        return\n"
)
_INTERRUPTED = '                store.end_attempt(document.id, "unknown", now)\n'
_AGAIN = (
    '                store.end_attempt(document.id, "later", now)\n'
    '                store.move(document.id, State.QUEUED, now, "agent", "x")\n'
    "                continue\n"
)
_CLAIMED = "            claimed = await t.spool.write(\n"
_UNCLAIMED = '            claimed = document\n            __import__("asyncio").ensure_future(t.spool.write(\n'
_CLAIM_ENDS = "session.reference, started)\n            )\n"
_CLOSED = "            if no.code not in OVER:\n                raise\n        else:\n"
_FREED = (
    "            if no.code not in OVER:\n"
    "                await self._release(Package(session, package.context, session, package.created_at, ()))\n"
    "                await t.spool.write(lambda store: store.drop_package(package.name))\n"
    "                return\n        else:\n"
)
_LAST = 'WHERE id = (SELECT max(id) FROM attempt WHERE document = ?)""",\n            (stamp(now), outcome'
_SENT = "        await self._io(lambda: self._filing.sent(sheet, told.raw, upo, pdf))\n"
_SHOWN = '        reached("returns.shown", document.id)\n'

MUTANTS = (
    # -- sending one by one ------------------------------------------------------------------------------------
    _one("resend-on-timeout", "A send without an answer goes back to the queue", "agent/verdict.py", _TIMEOUT, _QUEUED),
    _one(
        "broken-is-unsent", "A connection that breaks in the middle counts as one that never began",
        "agent/ksef/errors.py", "    if sent:\n", "    if False:\n",
    ),
    _one(
        "5xx-is-a-no", "An HTML page with 502 counts as a refusal by KSeF", "agent/ksef/errors.py",
        'return Reading(Unknown(f"KSeF odpowiedział kodem HTTP {status}, bez wyjaśnienia.", after)',
        'return Reading(Later(f"KSeF odpowiedział kodem HTTP {status}, bez wyjaśnienia.", after)',
    ),
    _one(
        "garbled-is-a-no", "A cut answer counts as a refusal by KSeF", "agent/ksef/errors.py",
        'return NoAnswer(Reading(Unknown(f"Odpowiedź {who}', 'return NoAnswer(Reading(Later(f"Odpowiedź {who}',
    ),
    _one(
        "interrupted-is-unsent", "After a crash whatever was being sent is sent again", "agent/forward.py",
        _INTERRUPTED, _AGAIN,
    ),
    _one(
        "interrupted-forgotten", "After a crash whatever was being sent stays SENDING for ever", "agent/forward.py",
        "            for document in left:\n", "            for document in left[:0]:\n",
    ),
    _one(
        "no-intent-row", "The intent of a send is not written", "spool/store/attempts.py",
        '        self._insert("attempt", document', '        dict(document',
    ),
    Mutant(
        "intent-not-awaited", "The send does not wait for its intent to be durable",
        (
            ("agent/forward.py", _CLAIMED, _UNCLAIMED),
            ("agent/forward.py", _CLAIM_ENDS, _CLAIM_ENDS.replace(")\n            )", ")\n            ))")),
        ),
    ),
    _one(
        "wrong-attempt-ended", "The result is written to the first attempt of the document", "spool/store/attempts.py",
        _LAST, _LAST.replace("max", "min"),
    ),
    _one(
        "bytes-altered", "A blank at the end of the document is lost before sealing", "agent/forward.py",
        "session.seal(raw)", "session.seal(raw.rstrip())",
    ),
    _one(
        "lanes-share-a-document", "A document in one lane may be taken by another", "agent/forward.py",
        "taken=taken, after_unit=turn", "taken=(), after_unit=turn",
    ),
    # -- what KSeF says ----------------------------------------------------------------------------------------
    _one(
        "no-counts-at-once", "A cancelled copy is believed without a look at the list", "agent/twins.py",
        "        return known is List.FINAL\n    return known >= List.READ or not says_no(status.reading)\n",
        "        return True\n    return True\n",
    ),
    _one(
        "no-by-open-list", "A cancelled copy is believed while another may still arrive", "agent/twins.py",
        "        return known is List.FINAL\n", "        return known is not List.UNREAD\n",
    ),
    _one(
        "last-of-the-twins", "Of two entries of the same bytes the last one counts", "agent/twins.py",
        "(known is None or _rank(status) < _rank(known))", "True",
    ),
    _one(
        "absence-by-open-list", "Missing from the list of an open session counts as absent", "agent/reconcile.py",
        "over = known is not None and known.final_at is not None", "over = True",
    ),
    _one(
        "absence-by-closing", "Missing from the list of a closed session counts before it is final",
        "agent/reconcile.py", "known.final_at is not None", "known.closed_at is not None",
    ),
    _one(
        "first-of-the-list", "A lost answer is settled by the first entry of the list, not by the hash",
        "agent/reconcile.py", "twins.by_bytes(await session_list(t, session), earlier).get(document.sha256)",
        "next(iter(await session_list(t, session)), None)",
    ),
    _one(
        "440-adopted-blindly", "The number in a 440 is taken without comparing bytes", "agent/reconcile.py",
        "        if sha256_hex(raw) != document.sha256:\n", "        if False:\n",
    ),
    _one(
        "440-is-a-refusal", "A duplicate counts as refused content", "agent/ksef/errors.py",
        '(Kind.INVOICE, 440): Rule(Unknown, "KSeF', '(Kind.INVOICE, 440): Rule(Refused, "KSeF',
    ),
    _one(
        "550-is-a-refusal", "Cancelled by KSeF counts as refused content", "agent/ksef/errors.py",
        '(Kind.INVOICE, 550): _session("KSeF', '(Kind.INVOICE, 550): Rule(Refused, "KSeF',
    ),
    _one(
        "150-is-cancelled", "A document that KSeF is still judging is sent again", "agent/ksef/errors.py",
        "    (Kind.INVOICE, 150): PENDING,\n", '    (Kind.INVOICE, 150): _session("x"),\n',
    ),
    _one(
        "register-without-mark", "The register proves absence without a high-water mark", "agent/absence.py",
        "    return searched and attempt_over(session, ended_at) < hwm <= look.ksef_now + CLOCKS_APART\n",
        "    return searched\n",
    ),
    _one(
        "register-too-soon", "The register proves absence as soon as the session is over", "agent/absence.py",
        "STORED_WITHIN = timedelta(hours=24)", "STORED_WITHIN = timedelta(0)",
    ),
    _one(
        "register-by-number", "An invoice with our number in the register is ours, whatever its bytes",
        "agent/reconcile.py", "next((r for r in registered if r.sha256 == document.sha256), None)",
        "next(iter(registered), None)",
    ),
    _one(
        "ban-dropped", "A 429 is not remembered", "agent/ksef/line.py",
        'if no.code == "http:429" and isinstance', "if False and isinstance",
    ),
    _one(
        "budget-off", "The limits that KSeF tells are not taken over", "agent/ksef/client.py",
        "        self._line.learn(limits)\n", "        limits.clear()\n",
    ),
    _one(
        "any-receipt", "A receipt is kept whatever it names", "agent/receipts.py",
        "if found.get(str(document.ksef_number)) == document.sha256:", "if True:",
    ),
    # -- packages ----------------------------------------------------------------------------------------------
    _one(
        "package-by-position", "The verdicts of a package are dealt out in order, not by hash",
        "agent/batch_verdicts.py", "statuses.get(document.sha256), random",
        "next(iter(statuses.values()), None), random",
    ),
    _one(
        "package-list-at-once", "What the list does not show at once is absent", "agent/batch_verdicts.py",
        "        proven = ticks - since", "        proven = True or ticks - since",
    ),
    _one(
        "package-not-final", "The list of a package counts while KSeF still works on it", "agent/batch_verdicts.py",
        "if isinstance(reading.outcome, Pending) or not _final(reading):", "if False:",
    ),
    _one(
        "package-440-believed", "A batch 440 right after the close is believed", "agent/batch_verdicts.py",
        "_DOUBTFUL_S = 120.0", "_DOUBTFUL_S = 0.0",
    ),
    _one("package-freed", "A close without an answer frees the documents", "agent/batch.py", _CLOSED, _FREED),
    _one(
        "package-unclaimed", "Documents that somebody else has claimed meanwhile are packed, too", "agent/batch.py",
        "return [entry for entry in entries if entry.id in held]", "return list(entries)",
    ),
    _one(
        "package-unnamed", "The attempts of a package keep its working name when its session opens",
        "spool/store/packages.py", 'for table in ("attempt", "document"):', 'for table in ("document",):',
    ),
    # -- taking in, showing ------------------------------------------------------------------------------------
    _one(
        "promise-before-commit", "Callers are told before the group is durable", "spool/access.py",
        "answers.append((done, job(store)))", "done.set_result(job(store))",
    ),
    _one(
        "foreign-bytes-are-mine", "The same bytes from another unit count as one's own", "gateway/admission.py",
        "next((twin for twin in twins if twin.unit == new.unit), None)", "next(iter(twins), None)",
    ),
    _one(
        "number-not-looked-up", "A number that a live document holds is not noticed at intake", "gateway/admission.py",
        "    if holder is None:\n        return new\n", "    if holder is None or holder:\n        return new\n",
    ),
    _one(
        "file-removed-first", "A dropped file is removed before its bytes are stored", "gateway/folders/pickup.py",
        "        door, label = self._desk.door, _label(file.name)\n",
        "        await self._remove(drop, file, sha256_hex(raw))\n"
        "        door, label = self._desk.door, _label(file.name)\n",
    ),
    Mutant(
        "delivered-before-files", "DELIVERED is written before the files are",
        (
            ("gateway/folders/returns.py", _SENT, ""),
            ("gateway/folders/returns.py", _SHOWN, _SENT + _SHOWN),
        ),
    ),
    _one(
        "shown-in-another-unit", "Results are written into the folder of the town hall", "gateway/folders/filing.py",
        "ensure_month(self.root, sheet.unit, layout.SENT", 'ensure_month(self.root, "urzad", layout.SENT',
    ),
    # -- receiving ---------------------------------------------------------------------------------------------
    _one(
        "mark-before-documents", "The mark of receiving moves before the documents are stored", "agent/receive.py",
        "            new = await self._take(export, key) if export.invoices else 0\n",
        "            await self._advance(window, export)\n"
        "            new = await self._take(export, key) if export.invoices else 0\n",
    ),
    _one(
        "mark-is-now", "The mark of receiving moves to our own present", "agent/receive.py",
        "        upto = export.last if export.truncated else export.hwm\n",
        "        upto = export.last if export.truncated else t.clock()\n",
    ),
    _one(
        "truncated-ignored", "A truncated package counts as whole", "agent/receive.py",
        "        upto = export.last if export.truncated else export.hwm\n", "        upto = export.hwm\n",
    ),
    _one(
        "full-disk-ends-the-agent", "What a full disk stops outside the loops ends the program", "agent/__main__.py",
        "        except NoRoom as short:\n", "        except ZeroDivisionError as short:\n",
    ),
    # -- the store ---------------------------------------------------------------------------------------------
    _one(
        "chain-broken", "A history row does not name the one before", "spool/store/base.py",
        'previous = last["hash"] if last else FIRST_HASH', "previous = FIRST_HASH",
    ),
    _one(
        "half-a-job", "What a failed job of a group had written is committed with the others", "spool/access.py",
        '                    connection.execute("ROLLBACK TO job")\n', "",
    ),
    _one(
        "unknown-may-be-withdrawn", "A document without a verdict may be withdrawn", "spool/actions.py",
        "    document = _need(store, document_id, {State.QUEUED, State.WAITING, State.HELD})\n"
        "    done = store.move(document_id, State.WITHDRAWN",
        "    store._db.execute(\"UPDATE document SET state = 'QUEUED' WHERE id = ?\", (document_id,))\n"
        "    document = _need(store, document_id, {State.QUEUED, State.WAITING, State.HELD})\n"
        "    done = store.move(document_id, State.WITHDRAWN",
    ),
)  # fmt: skip

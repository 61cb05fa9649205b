"""`sluza folders`: a unit's folders on its own computer, far from the gateway, over HTTPS (decision 0027).

do-wyslania/ ─ box ─ delivery ─► line ─► /v1/uploads        w-toku/ wyslane/ … ◄─ filing ◄─ fetching ◄─ /v1/changes
STAN.txt, ALARM.txt ◄─ board ◄─ urgency (the deadline clock runs here, too)

Runs on Windows: nothing here, nor what it imports, needs a POSIX system, the spool's database or a parser.
"""

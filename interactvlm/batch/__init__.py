"""Many photos, one question: a ledger of what is done, safe to kill and to start again.

`manifest` reads what is to be done, `tasks` says how one photo is done, `worker` does it in one or
several processes, `ledger` remembers, `runner` ties them together, `summary` and `index_page` tell.
"""

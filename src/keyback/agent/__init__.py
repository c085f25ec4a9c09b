"""The on-premises service: claims writeback requests, carries them out, answers, and pushes people.

    config ─ identity ─ keys        what it is and what it may do, read once
    link                            everything that is said to the portal, outbound only
    writeback ─ resolve ─ journal   the road of one request, and what survives a crash
    forests ─ sync                  the directories, and the people in them
    catalogue ─ events              what it tells its administrator
    service                         the threads that keep all of this going

It believes the portal's signed requests only, within the limits of its own file.
"""

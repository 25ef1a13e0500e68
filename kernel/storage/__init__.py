"""The one file. Invariant: an answer is given only after COMMIT returned, and a batch happens whole or not at all.

    Store      opens the file, owns the writer and the readers, carries out plans
    Writer     one thread; everything that waits is committed as one group, each batch under its own savepoint
    Scoped     the caller's rows: reads through macros, writes that own their WHERE
    Schema     additive migrations with checksums, and the check that every table carries its scope
    Lock       one process per file; says who holds it

ids and times are made in Python, there are no triggers, and nobody but the writer opens a transaction for
writing: the same statements run on a replicated SQLite. `Store` is that seam.
"""

"""Extensions of PostgreSQL whose operator classes an index may name."""

EXTENSIONS = {"gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm", "gin__int_ops": "intarray"}
EXTENSIONS |= {f"vector_{each}_ops": "vector" for each in ("l2", "ip", "cosine", "l1")}

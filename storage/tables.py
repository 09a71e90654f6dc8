"""The tables of the state database, in SQLAlchemy's words.

Columns carry the names of the dataclasses' fields, so that a row and a dataclass turn into one
another without a list of names in between. What is filtered or ordered by is a column; what is only
handed back whole (a transition, its evidence, a notice) is one packed document beside it.
Times are int64 nanoseconds. A float column may be null: SQLite keeps a NaN so.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is called INTEGER, which there holds 64 bits.
BigKey = BigInteger().with_variant(Integer(), "sqlite")

# One row, id 1: how far the journal is judged, and the last number given of each kind.
progress = Table(
    "progress",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("transition_number", BigInteger, nullable=False),
    Column("notice_number", BigInteger, nullable=False),
    Column("reject_number", BigInteger, nullable=False),
)

# How far each part of the books is counted (domain/accounting.py): all of them at once would take a
# city a tenth of a second, and an alarm that comes meanwhile waits for it.
counted = Table(
    "counted",
    metadata,
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),
    Column("facility", String, nullable=False),
    Column("facility_kind", String, nullable=False),
    Column("condition", String, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("peak_grade", SmallInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("latching", Boolean, nullable=False),
    Column("awaiting_reset", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("raised_at_ns", BigInteger, nullable=False),
    Column("cleared_at_ns", BigInteger),
    Column("ended_at_ns", BigInteger),
    Column("acknowledged_at_ns", BigInteger),
    Column("acknowledged_by", String),
    Column("value", Double),
    Column("limit", Double),
    Column("delayed", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("active_since_ns", BigInteger, nullable=False),
    Column("changed_at_ns", BigInteger, nullable=False),
    Index(None, "raised_at_ns", "id"),
    Index(None, "ended", "raised_at_ns", "id"),
    Index(None, "channel", "raised_at_ns", "id"),
    Index(None, "facility", "raised_at_ns", "id"),
    Index(None, "changed_at_ns"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("seq", BigInteger, nullable=False),
    Column("alarm_id", String, ForeignKey("alarms.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("recorded_ns", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("evidence", LargeBinary),
    Index(None, "alarm_id", "number"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("seq", BigInteger, nullable=False),
    Column("transition_id", String, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

outbox_cursors = Table(
    "outbox_cursors",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("fate", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

traffic = Table(
    "traffic",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("frames_received", BigInteger, nullable=False),
    Column("frames_decoded", BigInteger, nullable=False),
    Column("readings_received", BigInteger, nullable=False),
    Column("readings_stored", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("gateway", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
    Column("unit", String, nullable=False),
    Column("fate", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("channel_name", String, nullable=False),
    Column("excerpt", LargeBinary, nullable=False),
    Column("count", BigInteger, nullable=False),
    Index(None, "gateway", "number"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("channel_name", String, primary_key=True),
    Column("district", String, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_seen_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    Column("last_time_ns", BigInteger, nullable=False),
    Column("last_value", Double),
    Index(None, "last_seen_ns", "gateway", "channel_name"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigKey, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target", String, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

catalogue_revisions = Table(
    "catalogue_revisions",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("digest", String, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("channels", Integer),  # how many; null in rows from before version 0.2
)

adoptions = Table(
    "adoptions",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("sent_as", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

# The catalogue's way in: what was last imported of each set of files, what people have put into
# commissioning beside the files, and when which limit profile was in force.
catalogue_imports = Table(
    "catalogue_imports",
    metadata,
    Column("files", String, primary_key=True),
    Column("digest", String, nullable=False),
)

commissioning = Table(
    "commissioning",
    metadata,
    Column("channel", String, primary_key=True),
    Column("commissioning", Boolean, nullable=False),
    Column("of_files", Boolean, nullable=False),
)

profile_changes = Table(
    "profile_changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

# Notices that an endpoint never took while it took others: for people to look at, and to send again.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("notice_id", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("first_tried_ns", BigInteger, nullable=False),
    Column("last_tried_ns", BigInteger, nullable=False),
    Index(None, "consumer", "number"),
)

# Endpoints that answered 410, by the digest of the address that did.
disabled_webhooks = Table(
    "disabled_webhooks",
    metadata,
    Column("name", String, primary_key=True),
    Column("url_digest", String, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
)

gateway_keys = Table(
    "gateway_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("gateway", String, nullable=False),
    Column("district", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("made_at_ns", BigInteger, nullable=False),
    Index(None, "gateway", "made_at_ns"),
)

# One row, id 1: the name by which this installation's cursor is known where archives are shared.
installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
)

# Keys that the archive refused for good: each is moved in the books once, whatever is repeated.
refused_readings = Table(
    "refused_readings",
    metadata,
    Column("channel", String, primary_key=True),
    Column("time_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Index(None, "number"),
)

# PostgreSQL only: the number of each writer's last write, see storage/marks.py.
write_marks = Table(
    "write_marks",
    metadata,
    Column("writer", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
)

# One row, id 1: who writes the journal and the state, where two instances share them. Each who
# takes the lead raises the epoch; see storage/leadership.py.
leadership = Table(
    "leadership",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", String, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
)

# The evaluator's snapshots where two instances share them, in parts of a megabyte.
snapshots = Table(
    "snapshots",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

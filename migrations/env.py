"""How Alembic reaches a catalog: over the connection that `catalog.schema` hands it."""

from alembic import context

from catalog.database import connect
from catalog.models import Base


def include(_object, name, kind, _reflected, _compare_to):
    """Leave out what the databases keep by themselves, for full-text search."""
    if kind == "table":
        return not name.startswith("search_index")
    return (kind, name) not in {
        ("column", "words"),
        ("index", "ix_search_documents_words"),
        ("index", "ix_predictions_differing"),
    }


def migrate(connection):
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:  # `alembic` called by a developer: -x url=sqlite:///some.db
    url = context.get_x_argument(as_dictionary=True).get("url", "sqlite:///reelcat.db")
    with connect(url).writing.begin() as connection:
        migrate(connection)

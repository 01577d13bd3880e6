"""How a turn ends with which something went wrong: the person is told, and so is the log."""

from chat_service.flows.work import Failed, Outcome, Work
from shared import database, errors, resources, telemetry

log = telemetry.logger(__name__)


def failed(work: Work, error: BaseException) -> Failed:
    if isinstance(error, errors.RotaError):
        return Failed(error)
    error_id = str(resources.new_id())
    log.error("turn_failed", turn=work.name, error_id=error_id, exc_info=error)
    return Failed(database.translate(error) or errors.Internal(error_id))


def unstorable(work: Work, error: Exception, *, whole: bool) -> Outcome:
    """How a turn ends whose database is there and refuses what it said: with what can be stored."""
    error_id = str(resources.new_id())
    log.error("turn_not_storable", turn=work.name, error_id=error_id, exc_info=error)
    work.fold.salvage(whole=whole)
    return Failed(errors.Internal(error_id))

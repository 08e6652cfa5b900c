from emm.audit import AuditEntry
from emm.credentials import Credential
from emm.heartbeat import Heartbeat
from emm.idempotency import IdempotencyKey
from emm.measures import ProcessMinute
from emm.tokens import ApiToken

__all__ = ["ApiToken", "AuditEntry", "Credential", "Heartbeat", "IdempotencyKey", "ProcessMinute"]

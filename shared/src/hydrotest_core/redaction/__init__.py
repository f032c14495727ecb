"""What must not be written down, and how it is taken out before the first write.

`secret_values` says which values of a config are secret, `Redactor` replaces them,
in all the forms they travel in, by `«secret:NAME#3f»`.
"""

from __future__ import annotations

from hydrotest_core.redaction.config import FoundSecrets, SecretDict, find_secrets, secret_values
from hydrotest_core.redaction.learning import LearningStream
from hydrotest_core.redaction.redactor import RedactingStream, Redactor
from hydrotest_core.redaction.traffic import redact_headers, redact_query

__all__ = [
    "FoundSecrets",
    "LearningStream",
    "RedactingStream",
    "Redactor",
    "SecretDict",
    "find_secrets",
    "redact_headers",
    "redact_query",
    "secret_values",
]

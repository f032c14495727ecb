"""The core of hydrotest: how a connector is run, and what it said.

Rooms, and the one direction of imports between them:

```
cli, testing → run → connector → http → protocol → settings, redaction, sealed, untrusted → errors
```

* `connector` starts a connector (an image, a local program, a script of lines) through one seam,
  `ConnectorRunner.run(ExecutionInputs) -> ExecutionResult`, and keeps what it said in a folder.
* `protocol` knows the messages and is pure: bytes in, values out.
* `run` holds findings and verdicts, the folder of a run, and its reports.

Importing this package imports nothing else; take what is needed from its rooms.
"""

"""The suites that the plugin adds to a pytest run when asked to; their ids are CAT's."""

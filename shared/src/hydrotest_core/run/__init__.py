"""What a run came to, and how people and machines are told.

`findings` holds the values a rule returns, `report` the run as one value. The
rest of the room turns that value into something to read: `report_terminal`
(text), `report_json` (`report.json` and its schema), `report_junit` (for CI
servers), `report_html` (one page that needs nothing else).
"""

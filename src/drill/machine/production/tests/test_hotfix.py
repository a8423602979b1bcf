"""What the last hotfix mended stays mended: the game lets players in."""

import urllib.request

with urllib.request.urlopen("http://localhost:8080/status", timeout=5) as answer:
    assert answer.status == 200

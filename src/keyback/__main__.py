"""``python -m keyback``"""

from keyback.cli.main import main

main()

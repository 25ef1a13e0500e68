import sys

from fazt.cli.main import main

sys.exit(main())

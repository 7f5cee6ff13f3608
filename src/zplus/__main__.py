"""`python -m zplus`, for where no script was installed."""

from zplus.command.app import main

if __name__ == "__main__":
    main()

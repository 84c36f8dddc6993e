"""``python -m minikvm`` is the command ``minikvm``."""

from minikvm.cli.main import main

main()

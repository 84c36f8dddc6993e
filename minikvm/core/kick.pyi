"""Only to be cimported: from Python the same functions are methods of minikvm.core.view.CurrentVM."""

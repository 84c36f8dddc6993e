"""The shipped C forms, and the built-ins that do the same."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMS = ROOT / "plugins/minikvm-c-strategies/minikvm_c_strategies"
TWINS = {"linear": "linear", "v1-bitmap": "v1-bitmap", "current-cpu": "upstream", "upstream": "upstream"}
"""C form -> the built-in that does the same; current-cpu's read of vcpu->cpu is plain, which upstream's is not, but that is only P10."""
GOOD = """\
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{
	return false;
}
"""
"""The shortest strategy that compiles."""

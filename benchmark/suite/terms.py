"""The terms on which the methods of a suite meet, in words."""

from collections.abc import Iterator

from benchmark.suite.models import Budget, SuiteSection


def terms(section: SuiteSection) -> Iterator[str]:
    """Sentences on budgets that all methods share, and on how learning rates are chosen."""
    budgets = {x.label: _words(x.budget) for x in section.datasets.values() if x.budget}
    if budgets:
        words = [
            f"{budget} on {', '.join(name for name, other in budgets.items() if other == budget)}"
            for budget in dict.fromkeys(budgets.values())
        ]
        threads = f"{section.threads} thread{'s' if section.threads > 1 else ''}"
        yield f"One budget for every method: {'; '.join(words)} ({threads})."
    if section.search is not None:
        factors = ", ".join(f"{factor:g}" for factor in section.search.factors)
        yield (
            f"Learning rates by the same search: {factors} times the method's own, each with "
            f"{section.search.share:.0%} of the budget, chosen on validation rows."
        )


def _words(budget: Budget) -> str:
    if budget.seconds is not None:
        return f"{budget.seconds:g} s of training"
    return f"{budget.steps:,} steps"

"""What tokens cost in dollars: the user's own prices, else those of the package `genai-prices`.

The one module that knows that package. It is imported when a budget in dollars is installed, and
only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cachesaver.errors import ConfigurationError, UnknownPriceError

if TYPE_CHECKING:
    from cachesaver.usage import Tokens

__all__ = ["PriceList", "Prices", "check_prices"]

PriceList = Mapping[str, tuple[Decimal, Decimal]]
"""By model: dollars per million tokens of prompt and of answer."""

_MILLION = 1_000_000


def check_prices(own: Mapping[str, object]) -> None:
    """Say so early if no price can be known.

    Raises:
        ConfigurationError: There are no *own* prices, and genai-prices is not installed.
    """
    if not own and find_spec("genai_prices") is None:
        raise ConfigurationError(
            "a budget in dollars needs the package genai-prices, which is not installed here: run "
            "pip install 'cachesaver[prices]', or give budget='200000 tokens'"
        )


class Prices:
    """Prices of models. Thread-safe."""

    def __init__(self, own: PriceList) -> None:
        self._own = own
        self._package = _package()

    def cost(self, tokens: Tokens, *models: str, url: str = "") -> Decimal:
        """Return what *tokens* cost in dollars at the first of *models* whose price is known.

        A price of the user's own goes before; it does not tell cached tokens from others.

        Args:
            tokens: Of one call.
            models: Names of one model, the surest first; empty ones are not looked up.
            url: Tells the provider, where several sell a model of this name.

        Raises:
            UnknownPriceError: No price of any of *models* is known.
        """
        for model in models:
            if (own := self._own.get(model)) is not None:
                return (own[0] * tokens.prompt + own[1] * tokens.answer) / _MILLION
        for model in filter(None, models):
            if (cost := self._listed(tokens, model, url)) is not None:
                return cost
        raise UnknownPriceError(models[-1])

    def _listed(self, tokens: Tokens, model: str, url: str) -> Decimal | None:
        if self._package is None:
            return None
        usage = self._package.Usage(**_counts(tokens))
        provider = self._provider(url)
        try:
            priced: Any = self._package.calc_price(usage, model, provider_id=provider)
        except (LookupError, ValueError):  # ValueError: it has no price for a kind of these tokens
            return None
        cost: Decimal = priced.total_price
        return cost

    def _provider(self, url: str) -> str | None:
        """Whose prices hold at *url*; None for a proxy or a server of one's own: by the model."""
        if self._package is None or not url:
            return None
        snapshot: Any = self._package.data_snapshot.get_snapshot()
        try:
            found: str = snapshot.find_provider(None, None, url).id
        except LookupError:
            return None
        return found


def _package() -> Any:
    try:
        import genai_prices
    except ModuleNotFoundError:
        return None
    return genai_prices


def _counts(tokens: Tokens) -> dict[str, int]:
    """In the words of genai-prices, whose larger numbers contain the smaller ones, as ours do.

    Audio in the prompt and in the cache may overlap, and no usage block says how: all of the prompt
    is then counted as if it had not been cached, which is dearer.
    """
    counts = {"input_tokens": tokens.prompt, "output_tokens": tokens.answer}
    counts["input_audio_tokens"], counts["output_audio_tokens"] = tokens.heard, tokens.spoken
    if not tokens.heard:
        counts["cache_read_tokens"] = tokens.cached
        counts["cache_write_tokens"] = tokens.written
        counts["cache_write_1h_tokens"] = tokens.written_hour
    return {name: count for name, count in counts.items() if count}

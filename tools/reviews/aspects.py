"""What the synthetic reviews judge, with the words that praise and blame it."""

from dataclasses import dataclass
from typing import Literal

POSITIVE, NEGATIVE = 1, -1


@dataclass(frozen=True)
class Aspect:
    """Something a review judges, with the words that praise and blame it (separated by spaces).

    The polarity of a word belongs to the aspect: a waiting time should be short, a battery life should not.
    """

    noun: str
    number: Literal["count", "mass", "plural"]
    praise: str
    blame: str

    def words(self, polarity: int) -> list[str]:
        """Return the opinion words of one polarity."""
        return (self.praise if polarity == POSITIVE else self.blame).split()


# Where the aspects are found -> the aspects.
DOMAINS: dict[str, tuple[Aspect, ...]] = {
    "in this film": (
        Aspect("plot", "count", "gripping clever moving", "thin predictable muddled"),
        Aspect("dialogue", "mass", "witty sharp natural", "clumsy stilted wooden"),
        Aspect("actors", "plural", "convincing charismatic charming", "wooden bland unconvincing"),
        Aspect("soundtrack", "count", "memorable haunting fresh", "intrusive repetitive bombastic"),
        Aspect("special effects", "plural", "impressive realistic inventive", "cheap dated crude"),
        Aspect("jokes", "plural", "funny clever fresh", "stale tasteless lazy"),
    ),
    "in this book": (
        Aspect("characters", "plural", "believable likeable complex", "flat shallow irritating"),
        Aspect("prose", "mass", "elegant vivid crisp", "dense clumsy overwrought"),
        Aspect("chapters", "plural", "lively absorbing varied", "tedious rambling repetitive"),
        Aspect("argument", "count", "persuasive clear original", "confusing weak unconvincing"),
        Aspect("illustrations", "plural", "beautiful charming detailed", "crude murky amateurish"),
        Aspect("translation", "count", "graceful faithful fluent", "stiff careless clumsy"),
    ),
    "at this restaurant": (
        Aspect("service", "mass", "quick friendly attentive", "slow rude careless"),
        Aspect("soup", "count", "rich comforting flavourful", "bland salty watery"),
        Aspect("portions", "plural", "generous filling satisfying", "small stingy disappointing"),
        Aspect("desserts", "plural", "light delicate inventive", "heavy sickly stodgy"),
        Aspect("dining room", "count", "cosy quiet inviting", "cramped noisy gloomy"),
        Aspect("waiting times", "plural", "short bearable reasonable", "long tiresome unpredictable"),
    ),
    "at this hotel": (
        Aspect("room", "count", "quiet spacious clean", "noisy cramped stuffy"),
        Aspect("bed", "count", "comfortable cosy soft", "lumpy narrow uncomfortable"),
        Aspect("staff", "plural", "helpful courteous welcoming", "rude indifferent unhelpful"),
        Aspect("breakfast", "count", "varied fresh hearty", "stale meagre monotonous"),
        Aspect("view", "count", "lovely impressive memorable", "dreary ugly disappointing"),
        Aspect("pool", "count", "clean warm inviting", "cold crowded murky"),
    ),
    "on this phone": (
        Aspect("camera", "count", "sharp fast reliable", "slow unreliable disappointing"),
        Aspect("battery life", "mass", "long dependable impressive", "short erratic disappointing"),
        Aspect("screen", "count", "bright crisp responsive", "dim dull fragile"),
        Aspect("speakers", "plural", "loud clear powerful", "quiet tinny harsh"),
        Aspect("case", "count", "slim light sturdy", "bulky heavy flimsy"),
        Aspect("menus", "plural", "intuitive tidy simple", "confusing cluttered slow"),
    ),
}

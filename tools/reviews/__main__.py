"""Write the built-in reviews: python -m tools.reviews > hqlm/data/reviews.tsv."""

from tools.reviews.grammar import generate

print("text\tlabel", *("\t".join(pair) for pair in generate()), sep="\n")

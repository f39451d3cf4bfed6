"""Draws the inputs of the examples, and computes in the clear what they must give."""

import random

DRAW = random.Random(20)


def write(name, rows):
    with open(name, "w") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)


def draw(count, low, high):
    return [DRAW.randrange(low, high) for _ in range(count)]


# FIPS 197, Appendices B and C.1, and FIPS 180-4.
AES = [
    ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
    ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
]
for at, name in enumerate(["key.csv", "block.csv", "expected/encrypted.csv"]):
    write(name, [bytes.fromhex(row[at]) for row in AES])
write("first.csv", [b"a"])
write("rest.csv", [b"bc"])
write("expected/hash.csv", [bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")])

a, b = draw(5, 0, 65536), draw(4, 0, 65536)
write("bids_a.csv", [a])
write("bids_b.csv", [b])
write("expected/winner.csv", [[(a + b).index(max(a + b))]])
write("expected/price.csv", [[sorted(a + b)[-2]]])

[mine], [yours] = draw(1, 0, 2**40), draw(1, 0, 2**40)
write("mine.csv", [[mine]])
write("yours.csv", [[yours]])
write("expected/richer.csv", [[int(mine > yours)]])

a, b = draw(500, -2048, 2048), draw(500, -2048, 2048)
write("numbers_a.csv", [a])
write("numbers_b.csv", [b])
write("expected/sorted.csv", [sorted(a + b)])

pool = DRAW.sample(range(1 << 14), 1700)
a, b = pool[:1000], pool[700:]
DRAW.shuffle(b)
write("set_a.csv", [a])
write("set_b.csv", [b])
write("expected/size.csv", [[len(set(a) & set(b))]])

a = [draw(4, 0, 1000) for _ in range(40)]
near = [[max(0, min(999, value + DRAW.choice([-1, 0, 0, 0, 1, 2]))) for value in row] for row in a]
b = [row if at % 3 else draw(4, 0, 1000) for at, row in enumerate(near)]
write("records_a.csv", a)
write("records_b.csv", b)
close = [sum(abs(x - y) for x, y in zip(*rows)) <= 3 for rows in zip(a, b)]
write("expected/matches.csv", [[sum(close)]])

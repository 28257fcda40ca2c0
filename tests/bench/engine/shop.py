"""The shop whose orders are built: landed once, kept in the cache, and changed by one in a hundred.

Everything goes the way a real night goes: the pretended shop serves it, `inkhouse extract` lands
it, and what changes later is landed by `inkhouse extract --from-files` as new versions of orders.
"""

import hashlib
import json
import shutil
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import inkhouse
import measure

SEED = 7
# The pretended shop's history ends at midnight; connectors leave the last minutes to the next night.
NIGHT = "2026-11-01T00:10:00Z"
NEXT_NIGHT = "2026-11-02T00:10:00Z"
CHANGED_AT = "2026-11-01T12:00:00Z"
# What is changed: the newest orders, or as many of the whole history.
VARIANTS = ("recent", "scattered")
SHARE = 100
# Shops that stay in the cache; the oldest go first.
KEPT = 4


def fingerprint(root):
    """What decides how raw tables look: the connectors, the sandbox and the landing."""
    digest = hashlib.sha256()
    for folder in ("connectors", "warehouse/src/landing", "warehouse/src/table"):
        for path in sorted((root / folder).rglob("*.rs")):
            digest.update(path.read_bytes())
    for name in ("shop.py", "inkhouse.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]


def base(binary, orders, cache, root, timeout):
    """A project with the raw tables of that many orders and nothing built; from the cache or made."""
    folder = cache / f"shop-{orders}-{SEED}-{fingerprint(root)}"
    if not (folder / "made").exists():
        measure.say(f"landing a shop of {orders:,} orders (once, then it is in the cache)")
        # One of this size that another version landed is of no use any more.
        for old in cache.glob(f"shop-{orders}-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        with inkhouse.sandbox(binary, orders, SEED, folder / "sandbox.log") as url:
            inkhouse.write_project(folder, url)
            shop = inkhouse.Inkhouse(binary, folder)
            landed = shop.run("--now", NIGHT, "extract", timeout=timeout)
        inkhouse.write_project(folder)
        for variant in VARIANTS:
            write_changes(shop, variant, timeout)
        (folder / "made").write_text(json.dumps({"extract_seconds": landed.wall}))
    (folder / "made").touch()
    bound(cache, folder)
    return inkhouse.Inkhouse(binary, folder)


def bound(cache, keep):
    """Lets go of all shops but the last few used."""

    def used(shop):
        made = shop / "made"
        return made.stat().st_mtime if made.exists() else 0

    for old in sorted(cache.glob("shop-*"), key=used)[:-KEPT]:
        if old != keep:
            shutil.rmtree(old)


def land(shop, variant, base_folder, timeout):
    """Lands the changed orders; fails unless exactly these came."""
    folder = Path(base_folder) / "changes" / variant
    expected = sum(1 for _ in (folder / "orders.jsonl").open())
    words = ["extract", "shopify", "--stream", "orders", "--from-files", folder]
    done = shop.run("--json", "--now", NEXT_NIGHT, *words, timeout=timeout)
    came = sum(event["rows"] for event in inkhouse.events(done, "stream"))
    if came != expected:
        raise measure.Failed(f"{expected} changed orders were to land, {came} did")
    return came


def write_changes(shop, variant, timeout):
    """One order in a hundred with a refund or an edit, as the shop would send it the next night."""
    rows = shop.query('select "createdAt" as at, id from raw.shopify.orders', timeout)
    orders = sorted((row["at"], row["id"]) for row in rows)
    many = max(1, len(orders) // SHARE)
    chosen = orders[-many:] if variant == "recent" else orders[SHARE // 2 :: SHARE][:many]
    ids = ", ".join(f"'{id}'" for _, id in chosen)
    rows = shop.query(f"select * from raw.shopify.orders where id in ({ids}) order by id", timeout)
    folder = shop.project / "changes" / variant
    folder.mkdir(parents=True)
    with (folder / "orders.jsonl").open("w") as out:
        for number, row in enumerate(rows):
            order = {name: value for name, value in row.items() if not name.startswith("_")}
            change(order, number)
            out.write(json.dumps(order, separators=(",", ":")) + "\n")


def change(order, number):
    """Every other order gets a refund of one unit, the rest one more unit of their first line."""
    order["updatedAt"] = CHANGED_AT
    lines = order["lineItems"] or []
    if not lines:
        order["edited"] = True
        return
    line = lines[0]
    if number % 2 == 0 and line["currentQuantity"]:
        refund(order, line)
    else:
        edit(order, line)


def refund(order, line):
    value = (money(line["discountedTotalSet"]) / max(1, line["quantity"])).quantize(
        Decimal("0.01"), ROUND_HALF_EVEN
    )
    line["currentQuantity"] -= 1
    numeric = order["id"].rsplit("/", 1)[1]
    bag = {"shopMoney": {"amount": str(value), "currencyCode": order["currencyCode"]}}
    zero = {"shopMoney": {"amount": "0", "currencyCode": order["currencyCode"]}}
    order["refunds"] = (order["refunds"] or []) + [
        {
            "id": f"gid://shopify/Refund/99{numeric}",
            "legacyResourceId": f"99{numeric}",
            "createdAt": CHANGED_AT,
            "processedAt": CHANGED_AT,
            "updatedAt": CHANGED_AT,
            "note": None,
            "totalRefundedSet": bag,
            "refundLineItems": [
                {
                    "id": f"gid://shopify/RefundLineItem/99{numeric}",
                    "quantity": 1,
                    "restockType": "NO_RESTOCK",
                    "lineItem": {"id": line["id"]},
                    "priceSet": bag,
                    "subtotalSet": bag,
                    "totalTaxSet": zero,
                }
            ],
            "refundShippingLines": [],
            "orderAdjustments": [],
        }
    ]
    add(order["totalRefundedSet"], value)
    add(order["netPaymentSet"], -value)


def edit(order, line):
    order["edited"] = True
    price = money(line["originalUnitPriceSet"])
    line["quantity"] += 1
    line["currentQuantity"] += 1
    for bag in (line["originalTotalSet"], line["discountedTotalSet"]):
        add(bag, price)
    for name in ("totalPriceSet", "currentTotalPriceSet", "subtotalPriceSet"):
        add(order[name], price)


def money(bag):
    return Decimal(bag["shopMoney"]["amount"])


def add(bag, value):
    """To what the shop counts in; what the buyer saw stays, as it may be another currency."""
    bag["shopMoney"]["amount"] = str(money(bag) + value)

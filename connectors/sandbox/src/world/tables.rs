//! Fixed tables: families, product kinds with their price lists, destinations, tax rates, names.
//!
//! Price lists are in cents as of the first day; `price_on` applies the suppliers' two later rises.

/// A family of designs and what its designs are about.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub popularity: u64,
    pub niches: &'static [&'static str],
    pub styles: &'static [&'static str],
    pub colors: &'static [&'static str],
    /// Words for titles.
    pub motifs: &'static [&'static str],
}

/// The aesthetic families of the shop.
pub const FAMILIES: [Family; 10] = [
    Family {
        name: "cottagecore",
        popularity: 18,
        niches: &["gardening", "mushrooms", "farm-animals"],
        styles: &["watercolor", "linocut"],
        colors: &["sage", "cream"],
        motifs: &["Mushroom Meadow", "Hen House", "Wild Strawberry", "Rain Boots"],
    },
    Family {
        name: "goth-academia",
        popularity: 14,
        niches: &["books", "poetry", "ravens"],
        styles: &["engraving", "victorian"],
        colors: &["black", "burgundy"],
        motifs: &["Raven Library", "Midnight Ink", "Ex Libris", "Moth & Candle"],
    },
    Family {
        name: "y2k",
        popularity: 12,
        niches: &["music", "nightlife", "stickers"],
        styles: &["chrome", "bubble"],
        colors: &["pink", "silver"],
        motifs: &["Butterfly Chrome", "Pixel Heart", "Star Ringtone", "Glitter Flip"],
    },
    Family {
        name: "witchcore",
        popularity: 11,
        niches: &["tarot", "cats", "herbs"],
        styles: &["line-art", "woodcut"],
        colors: &["plum", "black"],
        motifs: &["Moon Cat", "Herb Bundle", "The Hermit", "Third Eye"],
    },
    Family {
        name: "retro-gaming",
        popularity: 10,
        niches: &["arcade", "speedrun", "console"],
        styles: &["pixel", "neon"],
        colors: &["teal", "magenta"],
        motifs: &["Insert Coin", "Boss Fight", "Save Point", "Extra Life"],
    },
    Family {
        name: "cosmic",
        popularity: 9,
        niches: &["astronomy", "science", "camping"],
        styles: &["gradient", "halftone"],
        colors: &["navy", "violet"],
        motifs: &["Comet Trail", "Saturn Picnic", "Moon Phase", "Deep Field"],
    },
    Family {
        name: "coastal",
        popularity: 8,
        niches: &["surf", "sailing", "tidepools"],
        styles: &["gouache", "stamp"],
        colors: &["sand", "blue"],
        motifs: &["Tide Table", "Lighthouse", "Crab Club", "Slow Harbour"],
    },
    Family {
        name: "western-gothic",
        popularity: 7,
        niches: &["horses", "desert", "country-music"],
        styles: &["engraving", "tattoo"],
        colors: &["rust", "bone"],
        motifs: &["Dust Rider", "Cactus Choir", "Last Saloon", "Snake Oil"],
    },
    Family {
        name: "kawaii",
        popularity: 6,
        niches: &["tea", "frogs", "bakery"],
        styles: &["flat", "chibi"],
        colors: &["pastel", "mint"],
        motifs: &["Frog Barista", "Mochi Nap", "Tiny Toast", "Bubble Tea"],
    },
    Family {
        name: "japandi",
        popularity: 5,
        niches: &["ceramics", "plants", "calm"],
        styles: &["minimal", "brush"],
        colors: &["stone", "moss"],
        motifs: &["Single Branch", "Quiet Vessel", "Low Sun", "Paper Fold"],
    },
];

/// A size of a product kind.
#[derive(Debug)]
pub struct Size {
    pub name: &'static str,
    pub extra_price: i64,
    pub extra_cost: i64,
    /// Ships at the dearer rates.
    pub is_large: bool,
}

const fn size(name: &'static str, extra_price: i64, extra_cost: i64, is_large: bool) -> Size {
    Size { name, extra_price, extra_cost, is_large }
}

/// A kind of product, at both suppliers.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    pub code: &'static str,
    pub popularity: u64,
    pub price: i64,
    pub grams: i64,
    pub sizes: &'static [Size],
    pub colors: &'static [&'static str],
    pub blueprint_id: u32,
    /// Printify base cost of the smallest size at each print provider of `PROVIDERS`.
    pub printify_costs: [i64; 3],
    /// Printify shipping to the US: first and additional item.
    pub printify_shipping: (i64, i64),
    pub printful_id: u32,
    pub printful_kind: &'static str,
    pub brand: &'static str,
    pub model: &'static str,
    pub printful_price: i64,
    pub printful_shipping: (i64, i64),
}

/// Printify's print providers: id, country.
pub const PROVIDERS: [(u32, &str); 3] =
    [(29, "United States"), (39, "United States"), (26, "United Kingdom")];

const APPAREL: &[Size] = &[
    size("S", 0, 0, false),
    size("M", 0, 0, false),
    size("L", 0, 0, false),
    size("XL", 0, 0, false),
    size("2XL", 300, 220, false),
];
const DARK_LIGHT: &[&str] = &["Black", "Sand"];

/// The kinds of product.
pub const KINDS: [Kind; 7] = [
    Kind {
        name: "T-Shirt",
        code: "TEE",
        popularity: 30,
        price: 2_500,
        grams: 180,
        sizes: APPAREL,
        colors: DARK_LIGHT,
        blueprint_id: 6,
        printify_costs: [920, 988, 1_014],
        printify_shipping: (475, 240),
        printful_id: 71,
        printful_kind: "T-SHIRT",
        brand: "Bella + Canvas",
        model: "3001 Unisex Staple T-Shirt",
        printful_price: 1_125,
        printful_shipping: (469, 220),
    },
    Kind {
        name: "Hoodie",
        code: "HOOD",
        popularity: 18,
        price: 4_900,
        grams: 480,
        sizes: APPAREL,
        colors: DARK_LIGHT,
        blueprint_id: 77,
        printify_costs: [2_250, 2_187, 2_410],
        printify_shipping: (849, 229),
        printful_id: 146,
        printful_kind: "HOODIE",
        brand: "Gildan",
        model: "18500 Unisex Heavy Blend Hoodie",
        printful_price: 2_395,
        printful_shipping: (849, 250),
    },
    Kind {
        name: "Sweatshirt",
        code: "SWEA",
        popularity: 12,
        price: 4_250,
        grams: 420,
        sizes: APPAREL,
        colors: DARK_LIGHT,
        blueprint_id: 49,
        printify_costs: [1_845, 1_799, 2_002],
        printify_shipping: (799, 219),
        printful_id: 145,
        printful_kind: "SWEATSHIRT",
        brand: "Gildan",
        model: "18000 Unisex Crew Neck",
        printful_price: 1_995,
        printful_shipping: (849, 250),
    },
    Kind {
        name: "Mug",
        code: "MUG",
        popularity: 14,
        price: 1_599,
        grams: 350,
        sizes: &[size("11oz", 0, 0, false), size("15oz", 300, 164, true)],
        colors: &["White", "Black"],
        blueprint_id: 68,
        printify_costs: [397, 451, 512],
        printify_shipping: (689, 379),
        printful_id: 19,
        printful_kind: "MUG",
        brand: "Printful",
        model: "Glossy Mug",
        printful_price: 595,
        printful_shipping: (649, 375),
    },
    Kind {
        name: "Tote Bag",
        code: "TOTE",
        popularity: 10,
        price: 2_199,
        grams: 150,
        sizes: &[size("One size", 0, 0, false)],
        colors: &["Natural", "Black"],
        blueprint_id: 553,
        printify_costs: [834, 801, 977],
        printify_shipping: (509, 209),
        printful_id: 367,
        printful_kind: "TOTE BAG",
        brand: "Econscious",
        model: "Organic Tote",
        printful_price: 1_175,
        printful_shipping: (499, 200),
    },
    Kind {
        name: "Poster",
        code: "POST",
        popularity: 9,
        price: 1_850,
        grams: 120,
        sizes: &[
            size("12x18", 0, 0, false),
            size("18x24", 600, 281, false),
            size("24x36", 1_400, 743, true),
        ],
        colors: &["Matte"],
        blueprint_id: 282,
        printify_costs: [511, 547, 603],
        printify_shipping: (559, 49),
        printful_id: 1,
        printful_kind: "POSTER",
        brand: "Printful",
        model: "Enhanced Matte Paper Poster",
        printful_price: 850,
        printful_shipping: (569, 100),
    },
    Kind {
        name: "Sticker",
        code: "STIC",
        popularity: 7,
        price: 499,
        grams: 10,
        sizes: &[size("3x3", 0, 0, false), size("4x4", 100, 41, false)],
        colors: &["White"],
        blueprint_id: 400,
        printify_costs: [141, 137, 166],
        printify_shipping: (399, 9),
        printful_id: 358,
        printful_kind: "STICKER",
        brand: "Printful",
        model: "Kiss-Cut Stickers",
        printful_price: 235,
        printful_shipping: (419, 15),
    },
];

/// 2025-08-01 and 2026-03-01, when both suppliers raised their prices.
const RISES: [(i64, i64); 2] = [(1_754_006_400, 104), (1_772_323_200, 107)];

/// A price of the lists above on the day of `at`.
pub(crate) fn price_on(cents: i64, at: i64) -> i64 {
    let percent =
        RISES.iter().rev().find(|(from, _)| at >= *from).map_or(100, |(_, percent)| *percent);
    (cents * percent + 50) / 100
}

/// Where suppliers see one zone with one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    UnitedStates,
    Canada,
    Europe,
    Rest,
}

/// The zones, dearest last.
pub const ZONES: [Zone; 4] = [Zone::UnitedStates, Zone::Canada, Zone::Europe, Zone::Rest];

impl Zone {
    /// The countries a Printify profile of this zone names.
    pub const fn countries(self) -> &'static [&'static str] {
        match self {
            Self::UnitedStates => &["US"],
            Self::Canada => &["CA"],
            Self::Europe => {
                &["AT", "BE", "DE", "DK", "ES", "FR", "GB", "IE", "IT", "NL", "PL", "SE"]
            }
            Self::Rest => &["REST_OF_THE_WORLD"],
        }
    }

    pub(crate) fn of(country: &str) -> Self {
        ZONES.into_iter().find(|zone| zone.countries().contains(&country)).unwrap_or(Self::Rest)
    }

    /// A US shipping price in this zone.
    pub(crate) const fn price(self, us: i64) -> i64 {
        match self {
            Self::UnitedStates => us,
            Self::Canada => us * 17 / 10,
            Self::Europe => us * 3 / 2,
            Self::Rest => us * 21 / 10,
        }
    }
}

/// A place people live: weight, country, province, city, sales tax (ppm), on shipping, supplier tax (ppm), VAT (ppm).
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) weight: u64,
    pub(crate) country: &'static str,
    pub(crate) province: &'static str,
    pub(crate) city: &'static str,
    pub(crate) tax_title: &'static str,
    pub(crate) tax_ppm: i64,
    pub(crate) tax_on_shipping: bool,
    pub(crate) supplier_tax_ppm: i64,
    pub(crate) supplier_vat_ppm: i64,
}

#[rustfmt::skip]
const fn place(weight: u64, country: &'static str, province: &'static str, city: &'static str, tax: (&'static str, i64, bool), supplier: (i64, i64)) -> Place {
    Place { weight, country, province, city, tax_title: tax.0, tax_ppm: tax.1, tax_on_shipping: tax.2, supplier_tax_ppm: supplier.0, supplier_vat_ppm: supplier.1 }
}

pub(crate) const PLACES: [Place; 24] = [
    place(130, "US", "CA", "Oakland", ("CA State Tax", 72_500, false), (72_500, 0)),
    place(95, "US", "TX", "Austin", ("TX State Tax", 82_500, true), (62_500, 0)),
    place(80, "US", "NY", "Brooklyn", ("NY State Tax", 88_750, true), (0, 0)),
    place(70, "US", "FL", "Tampa", ("FL State Tax", 60_000, false), (0, 0)),
    place(50, "US", "WA", "Tacoma", ("WA State Tax", 101_000, true), (65_000, 0)),
    place(50, "US", "OR", "Portland", ("", 0, false), (0, 0)),
    place(45, "US", "IL", "Evanston", ("IL State Tax", 62_500, false), (62_500, 0)),
    place(45, "US", "PA", "Pittsburgh", ("PA State Tax", 60_000, true), (0, 0)),
    place(40, "US", "OH", "Columbus", ("OH State Tax", 57_500, true), (57_500, 0)),
    place(38, "US", "CO", "Boulder", ("CO State Tax", 29_000, false), (29_000, 0)),
    place(36, "US", "MN", "Duluth", ("MN State Tax", 68_750, true), (68_750, 0)),
    place(36, "US", "NC", "Durham", ("NC State Tax", 47_500, true), (47_500, 0)),
    place(30, "US", "GA", "Athens", ("GA State Tax", 40_000, true), (0, 0)),
    place(20, "US", "MT", "Missoula", ("", 0, false), (0, 0)),
    place(38, "CA", "ON", "Toronto", ("HST", 130_000, true), (0, 0)),
    place(22, "CA", "BC", "Victoria", ("GST", 50_000, true), (0, 0)),
    place(50, "GB", "", "Bristol", ("", 0, false), (0, 200_000)),
    place(30, "DE", "", "Leipzig", ("", 0, false), (0, 190_000)),
    place(20, "FR", "", "Nantes", ("", 0, false), (0, 200_000)),
    place(12, "NL", "", "Utrecht", ("", 0, false), (0, 210_000)),
    place(8, "SE", "", "Lund", ("", 0, false), (0, 250_000)),
    place(30, "AU", "VIC", "Melbourne", ("", 0, false), (0, 0)),
    place(12, "JP", "", "Kobe", ("", 0, false), (0, 0)),
    place(10, "NZ", "", "Nelson", ("", 0, false), (0, 0)),
];

/// The place with this country and province.
pub(crate) fn place_of(country: &str, province: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.country == country && place.province == province)
}

pub(crate) const FIRST_NAMES: [&str; 32] = [
    "Ada", "Bea", "Cleo", "Dara", "Edie", "Finn", "Gus", "Hana", "Ines", "Juno", "Kit", "Lena",
    "Milo", "Nora", "Otis", "Pia", "Quinn", "Rae", "Sage", "Theo", "Una", "Vera", "Wren", "Xena",
    "Yara", "Zoe", "Arlo", "Bram", "Cora", "Dov", "Esme", "Faye",
];

pub(crate) const LAST_NAMES: [&str; 32] = [
    "Abbott",
    "Bishop",
    "Carver",
    "Drake",
    "Ellis",
    "Foster",
    "Grant",
    "Hayes",
    "Irwin",
    "Jensen",
    "Keane",
    "Lowell",
    "Mercer",
    "Nolan",
    "Okafor",
    "Price",
    "Quill",
    "Rivera",
    "Santos",
    "Tanaka",
    "Underwood",
    "Vargas",
    "Walsh",
    "Xu",
    "Young",
    "Zhang",
    "Archer",
    "Bloom",
    "Castle",
    "Dunn",
    "Engel",
    "Frost",
];

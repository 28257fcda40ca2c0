//! SQL functions of our own: money and days, which plain SQL gets wrong by a cent or an hour.
//!
//! Minor units follow ISO 4217 and not "divide by a hundred": yen have none, dinars have three.

mod allocate;
mod local_date;
mod minor_units;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

/// Money as every model holds it.
pub(crate) const AMOUNT: DataType = DataType::Decimal128(AMOUNT_PRECISION, AMOUNT_SCALE);
pub(crate) const AMOUNT_PRECISION: u8 = 18;
pub(crate) const AMOUNT_SCALE: i8 = 4;
/// The first value that no amount can hold, unscaled.
const AMOUNT_LIMIT: u128 = 1_000_000_000_000_000_000;

/// Makes the functions known to a session.
pub(crate) fn register(session: &SessionContext) {
    session.register_udf(ScalarUDF::from(allocate::Allocate::new()));
    session.register_udf(ScalarUDF::from(local_date::LocalDate::new()));
    session.register_udf(ScalarUDF::from(minor_units::MinorToAmount::new()));
}

/// The size of a currency's smallest unit in units of an amount's fourth decimal.
///
/// A code that is not listed in ISO 4217 with another exponent counts in hundredths.
fn smallest_unit(currency: &str) -> u64 {
    let mut code = [0_u8; 3];
    if currency.len() == code.len() {
        code.copy_from_slice(currency.as_bytes());
        code.make_ascii_uppercase();
    }
    match &code {
        b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
        | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 10_000,
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 10,
        b"CLF" | b"UYW" => 1,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_unit_is_that_of_iso_4217_in_any_case() {
        for (code, unit) in [("USD", 100), ("jpy", 10_000), ("KWD", 10), ("CLF", 1), ("", 100)] {
            assert_eq!(smallest_unit(code), unit, "{code}");
        }
    }
}

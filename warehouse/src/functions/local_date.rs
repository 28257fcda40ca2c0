//! `local_date(timestamp, zone)`: the calendar day of an instant in an IANA zone from a column.
//!
//! `at time zone` wants a literal zone, and a shop's day is not its ad account's day.

use std::sync::Arc;

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;
use datafusion::arrow::array::{Array as _, AsArray, Date32Array};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalDate {
    signature: Signature,
}

impl LocalDate {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LocalDate {
    fn name(&self) -> &'static str {
        "local_date"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Timestamp(..) | DataType::Null, zone]
                if zone.is_string() || zone.is_null() =>
            {
                let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
                Ok(vec![at, DataType::Utf8])
            }
            _ => plan_err!("`local_date` takes a timestamp and the name of a time zone"),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [times, zones] = arrays.as_slice() else {
            return exec_err!("`local_date` takes two arguments");
        };
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let zones = zones.as_string::<i32>();
        let mut known: Option<(&str, Tz)> = None;
        let mut dates = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            if times.is_null(row) || zones.is_null(row) {
                dates.push(None);
                continue;
            }
            let name = zones.value(row);
            let zone = match known {
                Some((last, zone)) if last == name => zone,
                _ => match name.parse::<Tz>() {
                    Ok(zone) => zone,
                    Err(_) => return exec_err!("`{name}` is no IANA time zone"),
                },
            };
            known = Some((name, zone));
            dates.push(Some(day(times.value(row), zone)?));
        }
        Ok(ColumnarValue::Array(Arc::new(Date32Array::from(dates))))
    }
}

/// Days since 1970-01-01 in `zone`.
fn day(micros: i64, zone: Tz) -> Result<i32> {
    let local = DateTime::from_timestamp_micros(micros).and_then(|at| {
        let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
        micros.checked_add(i64::from(offset) * MICROS_PER_SECOND)
    });
    local
        .and_then(|local| i32::try_from(local.div_euclid(MICROS_PER_DAY)).ok())
        .ok_or_else(|| exec_datafusion_err!("timestamp {micros} is out of range"))
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, Utc};

    use super::*;

    fn date(at: &str, zone: &str) -> NaiveDate {
        let at: DateTime<Utc> = at.parse().unwrap();
        let days = day(at.timestamp_micros(), zone.parse().unwrap()).unwrap();
        NaiveDate::from_epoch_days(days).unwrap()
    }

    #[test]
    fn the_day_is_that_of_the_zone_on_both_sides_of_a_clock_change() {
        for (at, zone, expected) in [
            ("2026-03-20T06:30:00Z", "America/Los_Angeles", "2026-03-19"),
            ("2026-03-08T07:59:59Z", "America/Los_Angeles", "2026-03-07"),
            ("2026-03-09T06:59:59Z", "America/Los_Angeles", "2026-03-08"),
            ("2026-03-09T07:00:00Z", "America/Los_Angeles", "2026-03-09"),
            ("2026-03-10T20:00:00Z", "Pacific/Kiritimati", "2026-03-11"),
            ("1969-12-31T23:30:00Z", "UTC", "1969-12-31"),
        ] {
            assert_eq!(date(at, zone).to_string(), expected, "{at} {zone}");
        }
    }
}

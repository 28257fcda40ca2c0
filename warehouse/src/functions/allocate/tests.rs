//! The laws of `allocate`, on examples and on anything.

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Decimal128Builder, ListBuilder, StringArray,
    StringBuilder,
};
use datafusion::arrow::datatypes::Decimal128Type;
use proptest::prelude::*;

use super::allocate;

fn run(total: i128, currency: &str, parts: &[(String, Option<i128>)]) -> Vec<(String, i128)> {
    let totals = Decimal128Array::from(vec![total]).with_precision_and_scale(18, 4).unwrap();
    let mut keys = ListBuilder::new(StringBuilder::new());
    let mut weights =
        ListBuilder::new(Decimal128Builder::new().with_precision_and_scale(28, 4).unwrap());
    for (key, weight) in parts {
        keys.values().append_value(key);
        weights.values().append_option(*weight);
    }
    keys.append(true);
    weights.append(true);
    let currencies = StringArray::from(vec![currency]);
    let list = allocate(&totals, &currencies, &keys.finish(), &weights.finish()).unwrap();
    if list.is_null(0) {
        return Vec::new();
    }
    let row: ArrayRef = list.value(0);
    let row = row.as_struct();
    let names = row.column(0).as_string::<i32>();
    let amounts = row.column(1).as_primitive::<Decimal128Type>();
    names
        .iter()
        .zip(amounts.values())
        .map(|(name, amount)| (name.unwrap().to_owned(), *amount))
        .collect()
}

fn of(parts: &[(&str, i128)]) -> Vec<(String, Option<i128>)> {
    parts.iter().map(|(key, weight)| ((*key).to_owned(), Some(weight * 10_000))).collect()
}

fn amounts(total: i128, currency: &str, parts: &[(&str, i128)]) -> Vec<i128> {
    run(total, currency, &of(parts)).into_iter().map(|(_, amount)| amount).collect()
}

#[test]
fn the_odd_cent_goes_to_the_smallest_id_read_as_a_number() {
    let thirds = amounts(100_000, "USD", &[("10", 1), ("9", 1), ("11", 1)]);
    assert_eq!(thirds, [33_300, 33_400, 33_300]);
}

#[test]
fn the_sign_of_the_total_is_kept() {
    assert_eq!(amounts(-32_700, "USD", &[("11", 4410), ("12", 4500)]), [-16_200, -16_500]);
}

#[test]
fn weights_of_zero_below_zero_or_null_share_equally() {
    for weight in [Some(0), Some(-5), None] {
        let parts = vec![("1".to_owned(), weight), ("2".to_owned(), weight)];
        let shared: Vec<i128> = run(59_900, "USD", &parts).into_iter().map(|(_, a)| a).collect();
        assert_eq!(shared, [30_000, 29_900]);
    }
}

#[test]
fn a_weight_below_zero_beside_others_gets_nothing() {
    assert_eq!(amounts(30_000, "USD", &[("1", -5), ("2", 1)]), [0, 30_000]);
}

#[test]
fn yen_are_not_split_and_dinars_have_three_digits() {
    assert_eq!(amounts(5_000_000, "JPY", &[("1", 1), ("2", 2)]), [1_670_000, 3_330_000]);
    assert_eq!(amounts(10_000, "KWD", &[("1", 1), ("2", 1), ("3", 1)]), [3_340, 3_330, 3_330]);
}

#[test]
fn digits_finer_than_a_cent_stay_with_the_first() {
    // 1.0001 over two: 50 cents each, and the tenth of a mill with the smaller key.
    assert_eq!(amounts(10_001, "USD", &[("b", 1), ("a", 1)]), [5_000, 5_001]);
    assert_eq!(amounts(-10_001, "USD", &[("b", 1), ("a", 1)]), [-5_000, -5_001]);
}

#[test]
fn no_key_or_no_total_is_null_and_does_not_shift_the_other_rows() {
    let totals = Decimal128Array::from(vec![Some(10_000), None, Some(30_000), Some(40_000)])
        .with_precision_and_scale(18, 4)
        .unwrap();
    let currencies = StringArray::from(vec![Some("USD"), Some("USD"), Some("USD"), None]);
    let mut keys = ListBuilder::new(StringBuilder::new());
    let mut weights =
        ListBuilder::new(Decimal128Builder::new().with_precision_and_scale(18, 4).unwrap());
    for names in [vec!["a", "b"], vec!["c"], vec![], vec!["d"]] {
        for name in names {
            keys.values().append_value(name);
            weights.values().append_value(1);
        }
        keys.append(true);
        weights.append(true);
    }
    let list = allocate(&totals, &currencies, &keys.finish(), &weights.finish()).unwrap();
    let lengths: Vec<_> = list.iter().map(|row| row.map(|row| row.len())).collect();
    assert_eq!(lengths, [Some(2), None, None, Some(1)]);
    let last = list.value(3);
    assert_eq!(last.as_struct().column(0).as_string::<i32>().value(0), "d");
    assert_eq!(last.as_struct().column(1).as_primitive::<Decimal128Type>().value(0), 40_000);
}

fn unit(currency: &str) -> i128 {
    match currency {
        "JPY" => 10_000,
        "KWD" => 10,
        _ => 100,
    }
}

/// The same rule over again: shares as exact fractions, each unit handed out one by one.
fn slow(total: i128, currency: &str, parts: &[(String, Option<i128>)]) -> Vec<(String, i128)> {
    let unit = unit(currency);
    let mut weights: Vec<i128> = parts.iter().map(|(_, w)| w.unwrap_or(0).max(0)).collect();
    if weights.iter().all(|weight| *weight == 0) {
        weights = vec![1; parts.len()];
    }
    let sum: i128 = weights.iter().sum();
    let units = total.abs() / unit;
    let mut shares: Vec<i128> = weights.iter().map(|weight| units * weight / sum * unit).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| {
        (-(units * weights[*at] % sum), parts[*at].0.chars().count(), parts[*at].0.clone())
    });
    let mut left = units - shares.iter().sum::<i128>() / unit;
    for at in &order {
        if left > 0 {
            shares[*at] += unit;
            left -= 1;
        }
    }
    shares[order[0]] += total.abs() % unit;
    parts
        .iter()
        .zip(shares)
        .map(|((key, _), share)| (key.clone(), share * total.signum()))
        .collect()
}

fn anything() -> impl Strategy<Value = (i128, &'static str, Vec<(String, Option<i128>)>)> {
    let weight = prop_oneof![
        6 => (0_i128..2_000_000).prop_map(Some),
        1 => Just(Some(0)),
        1 => (-1_000_i128..0).prop_map(Some),
        1 => (0_i128..100_000_000_000_000_000_000).prop_map(Some),
        1 => Just(None),
    ];
    let total = prop_oneof![
        4 => -10_000_000_i128..10_000_000,
        1 => -999_999_999_999_999_999_i128..1_000_000_000_000_000_000,
    ];
    let parts = prop::collection::btree_map("[0-9]{1,4}|[a-c]{1,2}", weight, 1..9)
        .prop_map(|map| map.into_iter().collect::<Vec<_>>())
        .prop_shuffle();
    (total, prop::sample::select(vec!["USD", "EUR", "JPY", "KWD"]), parts)
}

proptest! {
    #[test]
    fn the_parts_are_the_whole_and_the_rule_is_the_rule((total, currency, parts) in anything()) {
        let split = run(total, currency, &parts);
        prop_assert_eq!(split.iter().map(|(_, amount)| amount).sum::<i128>(), total);
        prop_assert!(split.iter().all(|(_, amount)| amount * total.signum() >= 0));
        prop_assert_eq!(split, slow(total, currency, &parts));
    }

    #[test]
    fn the_order_of_the_lists_does_not_matter(
        (given, seed) in (anything(), any::<u64>())
    ) {
        let (total, currency, parts) = given;
        let mut turned = parts.clone();
        let by = usize::try_from(seed % 8).unwrap() % turned.len();
        turned.rotate_left(by);
        turned.reverse();
        let mut a = run(total, currency, &parts);
        let mut b = run(total, currency, &turned);
        a.sort();
        b.sort();
        prop_assert_eq!(a, b);
    }
}

/// Prints rows a second; run by hand: `cargo test --release -p warehouse -- --ignored speed`.
#[test]
#[ignore = "a measurement, for a release build"]
fn speed_of_ten_million_keys_in_lists_of_two() {
    const ROWS: usize = 5_000_000;
    let totals = Decimal128Array::from_iter_values((0..ROWS).map(|n| n as i128 * 37 % 9_999_900));
    let totals = totals.with_precision_and_scale(18, 4).unwrap();
    let currencies = StringArray::from_iter_values(std::iter::repeat_n("USD", ROWS));
    let mut keys = ListBuilder::new(StringBuilder::new());
    let mut weights =
        ListBuilder::new(Decimal128Builder::new().with_precision_and_scale(18, 4).unwrap());
    for n in 0..ROWS {
        for part in 0..2 {
            keys.values().append_value((n * 2 + part).to_string());
            weights.values().append_value((n * 7 + part * 13) as i128 % 999_999);
        }
        keys.append(true);
        weights.append(true);
    }
    let (keys, weights) = (keys.finish(), weights.finish());
    let start = std::time::Instant::now();
    let list = allocate(&totals, &currencies, &keys, &weights).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{} keys in {seconds:.2} s", list.values().len());
}

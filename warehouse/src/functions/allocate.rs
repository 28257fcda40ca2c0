//! `allocate(total, currency_code, keys, weights)`: splits money so that the parts are the whole.
//!
//! Largest remainder at the currency's smallest unit: everyone gets the whole units of their
//! share, the units left over go to the largest fractions, ties to the smallest key by length and
//! text (so numeric ids order as numbers). Digits finer than the unit go to the first of that
//! order. Nothing depends on the order in which the lists came, and nothing is ever rounded away.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, ListArray, StringArray, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{AMOUNT, AMOUNT_LIMIT, AMOUNT_PRECISION, AMOUNT_SCALE, smallest_unit};

static PART_FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![Field::new("key", DataType::Utf8, true), Field::new("amount", AMOUNT, true)])
});
static PART: LazyLock<FieldRef> =
    LazyLock::new(|| Arc::new(Field::new_list_field(DataType::Struct(PART_FIELDS.clone()), true)));

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Allocate {
    signature: Signature,
}

impl Allocate {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Allocate {
    fn name(&self) -> &'static str {
        "allocate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [total, currency, keys, weights] = given else {
            return plan_err!("`allocate` takes total, currency_code, keys and weights");
        };
        let total = match exact(total) {
            Some(kind @ DataType::Decimal128(_, scale)) if scale <= AMOUNT_SCALE => kind,
            _ => {
                return plan_err!("the total of `allocate` is {total}, not a decimal(18, 4)");
            }
        };
        if !(currency.is_string() || currency.is_null()) {
            return plan_err!("the currency code of `allocate` is {currency}, not text");
        }
        match element(keys) {
            Some(item) if item.is_string() || item.is_null() => {}
            _ => return plan_err!("the keys of `allocate` are {keys}, not a list of text"),
        }
        let Some(weight) = element(weights).and_then(|item| exact(&item)) else {
            return plan_err!("the weights of `allocate` are {weights}, not a list of decimals");
        };
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        Ok(vec![total, DataType::Utf8, list(DataType::Utf8), list(weight)])
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::clone(&PART)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [totals, currencies, keys, weights] = arrays.as_slice() else {
            return exec_err!("`allocate` takes four arguments");
        };
        let parts = allocate(
            totals.as_primitive(),
            currencies.as_string(),
            keys.as_list(),
            weights.as_list(),
        )?;
        Ok(ColumnarValue::Array(Arc::new(parts)))
    }
}

/// The exact number type for a total or a weight; `None` for floats and what is no number.
fn exact(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s)
            if *s >= 0 =>
        {
            Some(DataType::Decimal128(*p, *s))
        }
        DataType::Null => Some(AMOUNT),
        kind if kind.is_integer() => Some(DataType::Decimal128(20, 0)),
        _ => None,
    }
}

fn element(given: &DataType) -> Option<DataType> {
    match given {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type().clone())
        }
        DataType::Null => Some(DataType::Null),
        _ => None,
    }
}

fn allocate(
    totals: &Decimal128Array,
    currencies: &StringArray,
    keys: &ListArray,
    weights: &ListArray,
) -> Result<ListArray> {
    // From the total's own scale to that of an amount.
    let finer = u32::try_from(AMOUNT_SCALE - totals.scale())
        .map_err(|_| exec_datafusion_err!("the total of `allocate` has too many decimals"))?;
    let factor = 10_i128.pow(finer);
    let names: &StringArray = keys.values().as_string();
    let shares: &Decimal128Array = weights.values().as_primitive::<Decimal128Type>();
    let mut splitter = Splitter::new(names, keys.values().len());
    let mut offsets: Vec<i32> = Vec::with_capacity(totals.len() + 1);
    offsets.push(0);
    let mut valid = Vec::with_capacity(totals.len());
    let mut taken: Vec<Range<usize>> = Vec::new();
    let spans = keys.value_offsets().windows(2).zip(weights.value_offsets().windows(2));
    for (row, (key_span, weight_span)) in spans.enumerate() {
        let key_span = range(key_span)?;
        if totals.is_null(row) || keys.is_null(row) || key_span.is_empty() {
            valid.push(false);
        } else {
            let total = totals
                .value(row)
                .checked_mul(factor)
                .ok_or_else(|| exec_datafusion_err!("the total of `allocate` is out of range"))?;
            let currency = if currencies.is_null(row) { "" } else { currencies.value(row) };
            let given = if weights.is_null(row) { None } else { Some(range(weight_span)?) };
            splitter.weigh(shares, given, key_span.len())?;
            splitter.split(total, smallest_unit(currency), key_span.clone())?;
            match taken.last_mut() {
                Some(last) if last.end == key_span.start => last.end = key_span.end,
                _ => taken.push(key_span),
            }
            valid.push(true);
        }
        offsets.push(i32::try_from(splitter.amounts.len()).map_err(|_| too_many())?);
    }
    let amounts = Decimal128Array::from(splitter.amounts)
        .with_precision_and_scale(AMOUNT_PRECISION, AMOUNT_SCALE)?;
    let columns: Vec<ArrayRef> = vec![gather(names, &taken)?, Arc::new(amounts)];
    let parts = StructArray::try_new(PART_FIELDS.clone(), columns, None)?;
    let nulls = NullBuffer::from(valid);
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(ListArray::try_new(Arc::clone(&PART), offsets, Arc::new(parts), nulls)?)
}

fn too_many() -> datafusion::error::DataFusionError {
    exec_datafusion_err!("`allocate` got more than two thousand million keys in one batch")
}

fn range(span: &[i32]) -> Result<Range<usize>> {
    let [start, end] = span else { return exec_err!("a list without an end") };
    let index = |at: i32| usize::try_from(at).map_err(|_| exec_datafusion_err!("negative offset"));
    Ok(index(*start)?..index(*end)?)
}

/// The keys that have an amount; the keys' own buffer when that is one run of it.
fn gather(names: &StringArray, taken: &[Range<usize>]) -> Result<ArrayRef> {
    let runs: Vec<ArrayRef> =
        taken.iter().map(|run| Arc::new(names.slice(run.start, run.len())) as ArrayRef).collect();
    match runs.as_slice() {
        [] => Ok(Arc::new(names.slice(0, 0))),
        [one] => Ok(Arc::clone(one)),
        many => Ok(concat(&many.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?),
    }
}

/// Splits one total after the other, without allocating for each.
struct Splitter<'a> {
    names: &'a StringArray,
    /// Not negative; of the list at hand.
    weights: Vec<u128>,
    /// Their sum; not zero.
    sum: u128,
    floors: Vec<u128>,
    fractions: Vec<u128>,
    order: Vec<usize>,
    amounts: Vec<i128>,
}

impl<'a> Splitter<'a> {
    fn new(names: &'a StringArray, capacity: usize) -> Self {
        Self {
            names,
            weights: Vec::new(),
            sum: 0,
            floors: Vec::new(),
            fractions: Vec::new(),
            order: Vec::new(),
            amounts: Vec::with_capacity(capacity),
        }
    }

    /// Takes the weights of a list; without any above zero all weigh the same.
    fn weigh(
        &mut self,
        shares: &Decimal128Array,
        given: Option<Range<usize>>,
        count: usize,
    ) -> Result<()> {
        self.weights.clear();
        self.sum = 0;
        if let Some(given) = given {
            if given.len() != count {
                return exec_err!("`allocate` got {count} keys but {} weights", given.len());
            }
            let nulls = shares.nulls().filter(|nulls| nulls.null_count() > 0);
            for (at, weight) in given.clone().zip(shares.values().get(given).unwrap_or_default()) {
                let counts = nulls.is_none_or(|nulls| nulls.is_valid(at));
                let weight = if counts { u128::try_from(*weight).unwrap_or(0) } else { 0 };
                self.sum = self.sum.checked_add(weight).ok_or_else(too_large)?;
                self.weights.push(weight);
            }
        }
        if self.sum == 0 {
            self.weights.clear();
            self.weights.resize(count, 1);
            self.sum = u128::try_from(count).map_err(|_| too_large())?;
        }
        Ok(())
    }

    fn split(&mut self, total: i128, unit: u64, keys: Range<usize>) -> Result<()> {
        let magnitude = total.unsigned_abs();
        if magnitude >= AMOUNT_LIMIT {
            return exec_err!("the total of `allocate` does not fit a decimal(18, 4)");
        }
        if keys.len() == 1 {
            self.amounts.push(total);
            return Ok(());
        }
        let magnitude = u64::try_from(magnitude).map_err(|_| too_large())?;
        let (units, residue) = (magnitude / unit, magnitude % unit);
        let given = self.floor(units)?;
        let left = usize::try_from(u128::from(units).saturating_sub(given)).unwrap_or(0);
        let (unit, residue) = (u128::from(unit), u128::from(residue));
        for floor in &mut self.floors {
            *floor *= unit; // at most the total
        }
        if left > 0 || residue > 0 {
            self.rank(keys.start);
            for (place, at) in self.order.iter().enumerate() {
                if place > 0 && place >= left {
                    break;
                }
                if let Some(part) = self.floors.get_mut(*at) {
                    *part += if place < left { unit } else { 0 };
                    *part += if place == 0 { residue } else { 0 };
                }
            }
        }
        for part in &self.floors {
            let part = i128::try_from(*part).map_err(|_| too_large())?;
            self.amounts.push(if total < 0 { -part } else { part });
        }
        Ok(())
    }

    /// The whole units of every share, and their sum.
    fn floor(&mut self, units: u64) -> Result<u128> {
        self.floors.clear();
        self.fractions.clear();
        let mut given = 0_u128;
        // Divisions of 64 bits are several times quicker, and nearly always enough.
        let small = u64::try_from(self.sum).ok().filter(|sum| units.checked_mul(*sum).is_some());
        if let Some(sum) = small {
            for weight in &self.weights {
                // A weight is at most the sum, so neither step can overflow.
                let share = units * u64::try_from(*weight).unwrap_or(sum);
                self.floors.push(u128::from(share / sum));
                self.fractions.push(u128::from(share % sum));
                given += u128::from(share / sum);
            }
        } else {
            for weight in &self.weights {
                let share = u128::from(units).checked_mul(*weight).ok_or_else(too_large)?;
                self.floors.push(share / self.sum);
                self.fractions.push(share % self.sum);
                given += share / self.sum;
            }
        }
        Ok(given)
    }

    /// Who gets what is left over, first to last.
    fn rank(&mut self, first: usize) {
        let Self { names, weights, fractions, order, .. } = self;
        let fraction = |at: usize| fractions.get(at).copied().unwrap_or(0);
        let weight = |at: usize| weights.get(at).copied().unwrap_or(0);
        order.clear();
        order.extend(0..weights.len());
        order.sort_unstable_by(|a, b| {
            fraction(*b)
                .cmp(&fraction(*a))
                .then_with(|| by_length_and_text(names, first + a, first + b))
                // One key twice: its parts are the same whichever row comes first.
                .then_with(|| Reverse(weight(*a)).cmp(&Reverse(weight(*b))))
                .then_with(|| a.cmp(b))
        });
    }
}

fn by_length_and_text(names: &StringArray, a: usize, b: usize) -> Ordering {
    let name = |at: usize| if names.is_null(at) { "" } else { names.value(at) };
    let (a, b) = (name(a), name(b));
    a.chars().count().cmp(&b.chars().count()).then_with(|| a.cmp(b))
}

fn too_large() -> datafusion::error::DataFusionError {
    exec_datafusion_err!("the weights of `allocate` are too large to be divided exactly")
}

#[cfg(test)]
mod tests;

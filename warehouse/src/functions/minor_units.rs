//! `minor_to_amount(integer, currency_code)`: cents, yen or fils to an amount.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{AMOUNT, AMOUNT_LIMIT, AMOUNT_PRECISION, AMOUNT_SCALE, smallest_unit};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MinorToAmount {
    signature: Signature,
}

impl MinorToAmount {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MinorToAmount {
    fn name(&self) -> &'static str {
        "minor_to_amount"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [minor, currency]
                if (minor.is_integer() || minor.is_null())
                    && (currency.is_string() || currency.is_null()) =>
            {
                Ok(vec![DataType::Int64, DataType::Utf8])
            }
            _ => plan_err!("`minor_to_amount` takes an integer and a currency code"),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(AMOUNT)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [minors, currencies] = arrays.as_slice() else {
            return exec_err!("`minor_to_amount` takes two arguments");
        };
        let minors = minors.as_primitive::<Int64Type>();
        let currencies = currencies.as_string::<i32>();
        let mut amounts = Vec::with_capacity(minors.len());
        for row in 0..minors.len() {
            if minors.is_null(row) {
                amounts.push(None);
                continue;
            }
            let currency = if currencies.is_null(row) { "" } else { currencies.value(row) };
            // 64 bits times at most 10,000 fits 128 bits with room.
            let amount = i128::from(minors.value(row)) * i128::from(smallest_unit(currency));
            if amount.unsigned_abs() >= AMOUNT_LIMIT {
                return exec_err!("{} {currency} does not fit a decimal(18, 4)", minors.value(row));
            }
            amounts.push(Some(amount));
        }
        let amounts = Decimal128Array::from(amounts)
            .with_precision_and_scale(AMOUNT_PRECISION, AMOUNT_SCALE)?;
        Ok(ColumnarValue::Array(Arc::new(amounts)))
    }
}

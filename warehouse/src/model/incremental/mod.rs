//! Building only what changed: which keys changed in the inputs, and the model for those alone.
//!
//! A model with `changed_by` promises that its rows can be told apart by those columns. [`reach`]
//! proves from the plan how far that goes: an input whose rows with a key are all that rows with
//! that key are computed from is narrowed to the changed keys; any other input is a dimension, and
//! when it changes the model is rebuilt whole. Nothing is taken on trust.

pub(crate) mod changes;
pub(crate) mod inputs;
pub(crate) mod keys;
pub(crate) mod reach;

//! One pretended print-on-demand shop behind the vendors' own wire protocols, with the truth to compare against.

mod truth;
pub mod wire;
pub mod world;

pub use truth::{FamilyTotals, TruthSummary, write_truth};
pub use wire::{FaultPlan, Running, ServeOptions, serve};
pub use world::{World, WorldOptions};

//! Says that the binary holds `sql/`: a model that was added must make a new binary.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        "cargo::rerun-if-changed=sql\ncargo::rerun-if-changed=jobs/build.rs"
    )
}

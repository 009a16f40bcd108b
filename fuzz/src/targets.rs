//! What is fuzzed: any bytes come in, and what must hold of them is asserted. `src/bin` hands them to libFuzzer; what that has found is put to
//! them again by the workspace's tests.

pub mod avro;
pub mod csv;
pub mod declaration;
pub mod pass_code;

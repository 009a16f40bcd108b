//! What is signed, as a stranger meets it: the vectors in `schemas/vectors/` are made here, compared with the files, and run.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cbor;
mod key_lists;
mod mutations;
mod pass_codes;
mod session_tokens;
mod signing;
mod vectors;

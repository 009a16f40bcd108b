//! What the flow costs, stage by stage, on the real processes and a real Kafka; and beside each what nobody can beat: a server that answers
//! without looking, a bare producer, bare signatures, bare decoding and encoding of the same bytes.
//!
//! Processor time per event and process counts first, since all of it shares the machine: throughput says as much about the others.

pub mod cost;
pub mod floors;
pub mod flow;
pub mod gates;
pub mod history;
pub mod load;
pub mod questions;
pub mod servers;

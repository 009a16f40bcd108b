//! The fuzz targets, and what they share: genuine inputs to begin with, a city in memory to send requests to, and what every answer must hold.

pub mod targets;

// What is genuine.
pub mod forms;
pub mod records;
pub mod vectors;

// Where requests go.
pub mod city;
pub mod scratch_log;

// What must hold of every answer.
pub mod accepted;
pub mod refused;

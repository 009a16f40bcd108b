//! The topics of the log: their names, how long a record is kept, and which of them have one order.

use std::fmt;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A topic of the log. The physical name is a deployment's prefix (`suikang.` unless configured) and [`Topic::short_name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// [`crate::declaration::Declaration`], keyed by subject.
    Declarations,
    /// [`crate::outcome::Outcome`], keyed by subject.
    Codes,
    /// [`crate::scan::ScanUpload`], keyed by device epoch.
    Scans,
    /// [`crate::registry_event::RegistryEvent`]: one partition, so one order.
    Registry,
    /// [`crate::audit::AuditEntry`], keyed by node.
    Audit,
    /// To the holder, by webhook; keyed by subject.
    Notices,
    /// [`crate::dead_letter::DeadLetter`], keyed as the record that failed.
    DeadLetters,
}

impl Topic {
    /// Every topic, in the order of the flow.
    pub const ALL: [Topic; 7] = [
        Topic::Declarations,
        Topic::Codes,
        Topic::Scans,
        Topic::Registry,
        Topic::Audit,
        Topic::Notices,
        Topic::DeadLetters,
    ];

    /// The name without the deployment's prefix.
    pub const fn short_name(self) -> &'static str {
        match self {
            Topic::Declarations => "declarations",
            Topic::Codes => "codes",
            Topic::Scans => "scans",
            Topic::Registry => "registry",
            Topic::Audit => "audit",
            Topic::Notices => "notices",
            Topic::DeadLetters => "dead-letters",
        }
    }

    /// How long the log keeps a record, in milliseconds, unless configured otherwise.
    pub const fn retention_ms(self) -> i64 {
        match self {
            Topic::Scans => 14 * DAY_MS,
            Topic::Audit => 180 * DAY_MS,
            Topic::Notices => 7 * DAY_MS,
            // Nothing else holds who may do what: without it a new node knows nobody.
            Topic::Registry => 3_650 * DAY_MS,
            _ => 30 * DAY_MS,
        }
    }

    /// The registry has one partition and therefore one order; the others are spread by record key.
    pub const fn is_totally_ordered(self) -> bool {
        matches!(self, Topic::Registry)
    }

    /// The topic of this short name, if there is one.
    pub fn from_short_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.short_name() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short_name())
    }
}

#[cfg(test)]
mod tests {
    use super::Topic;

    #[test]
    fn short_names_are_distinct_and_resolve() {
        for topic in Topic::ALL {
            assert_eq!(Topic::from_short_name(topic.short_name()), Some(topic));
        }
        assert_eq!(Topic::from_short_name("declaration"), None);
    }
}

//! What the door answers for a declaration that is on the log.

use suikang_schemas::declaration::Rejection;
use suikang_schemas::{DeclarationId, Subject};

/// A declaration that is on the log, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its id.
    pub(crate) declaration_id: DeclarationId,
    /// Whom it is about.
    pub(crate) subject: Subject,
    /// Why it will get no code, where the door knows that already.
    pub(crate) inadmissible: Option<Rejection>,
}

impl Accepted {
    /// The subject, for those who may know it: a stranger who types a person's number doesn't learn who that is here.
    pub(crate) fn told_subject(&self) -> Option<Subject> {
        (self.inadmissible != Some(Rejection::NotTheHolder)).then_some(self.subject)
    }
}

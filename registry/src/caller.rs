//! Who is calling: a role, the area it is for, and a login. Comes out of a verified session token.

use suikang_schemas::AreaCode;
use suikang_schemas::registry_event::Actor;

use crate::roles::{Action, Role, permits};

/// Somebody whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What they are.
    pub role: Role,
    /// Where they are it.
    pub area: AreaCode,
    /// The account; pseudonymous for residents.
    pub login: String,
}

impl Caller {
    /// Whether they may do this in that area: the role's table permits it and their own area contains it.
    pub fn may(&self, action: Action, area: &AreaCode) -> bool {
        permits(self.role, action) && self.area.contains(area)
    }

    /// Whether they may do this somewhere, for actions that are bound to no area.
    pub fn may_somewhere(&self, action: Action) -> bool {
        permits(self.role, action)
    }

    /// The caller as events and the audit name them.
    pub fn actor(&self) -> Actor {
        Actor { role: self.role.as_str().to_owned(), area: self.area.to_string(), login: self.login.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_ends_where_its_area_ends() {
        let caller =
            Caller { role: Role::DistrictAdministrator, area: "440106".parse().unwrap(), login: "tianhe-1".to_owned() };
        let area = |text: &str| text.parse::<AreaCode>().unwrap();
        assert!(caller.may(Action::ReadSummary, &area("440106")));
        assert!(caller.may(Action::ReadSummary, &area("440106001003-001")));
        assert!(!caller.may(Action::ReadSummary, &area("440104")), "another district");
        assert!(!caller.may(Action::ReadSummary, &area("4401")), "the city around it");
        assert!(!caller.may(Action::QuerySql, &area("440106")), "another role's action");
    }
}

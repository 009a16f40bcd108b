//! Who may do what: one table, role × action. Where they may do it is the caller's area (see [`crate::caller`]).

use std::fmt;
use std::str::FromStr;

/// What somebody is, as their token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// 居民: declares for themselves and for those they hold.
    Resident,
    /// 区管理员.
    DistrictAdministrator,
    /// 街镇管理员.
    StreetAdministrator,
    /// 社区管理员: runs a committee's or community's side.
    CommunityAdministrator,
    /// 审核员: approves the residents of a community.
    Reviewer,
    /// 查验员: checks people at an entrance.
    Inspector,
    /// 代办员: declares for those without a device, for an organisation.
    Proxy,
    /// 成员单位: a venue with entrances of its own.
    MemberUnit,
    /// 区分析员.
    DistrictAnalyst,
    /// 指挥部分析员: aggregates of the whole city.
    HeadquartersAnalyst,
    /// 指挥部流调员: pseudonymous rows.
    HeadquartersInvestigator,
    /// 政策审批员: one of the two who sign a policy off.
    PolicyApprover,
    /// 运维: runs the machines, sees nobody's data.
    Operator,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Declare for oneself or for someone one holds.
    Declare,
    /// Declare for others as staff, singly or in batches.
    DeclareForOthers,
    /// Have a code checked at an entrance.
    Check,
    /// Hand in checks that a device has decided.
    UploadScans,
    /// Look at the outcome of a declaration one made, and at its code.
    ReadOwnDeclaration,
    /// Look at the outcome of any declaration in one's area, for instance to print its code.
    ReadDeclaration,
    /// Read the basic information of a person of one's area, for a stated purpose.
    ReadProfile,
    /// Read the summary of an area.
    ReadSummary,
    /// Ask in SQL.
    QuerySql,
    /// Read lag, positions, readiness, and what is configured.
    ReadOperations,
    /// Read the registry's rules and places.
    ReadRegistry,
    /// Set communities and entrances.
    SetPlaces,
    /// Set what checkpoints of an area do.
    SetAreaRule,
    /// Set the choices of the form.
    SetValueSets,
    /// Propose or sign off a policy.
    SetPolicy,
    /// Set the order's dates, validity and switches.
    SetOrder,
    /// Make a document number lead to nobody.
    EraseClaim,
    /// Stop issuing, or let it go on.
    Halt,
    /// Publish key lists and seal keys.
    PublishKeys,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 13] = [
        Role::Resident,
        Role::DistrictAdministrator,
        Role::StreetAdministrator,
        Role::CommunityAdministrator,
        Role::Reviewer,
        Role::Inspector,
        Role::Proxy,
        Role::MemberUnit,
        Role::DistrictAnalyst,
        Role::HeadquartersAnalyst,
        Role::HeadquartersInvestigator,
        Role::PolicyApprover,
        Role::Operator,
    ];

    /// The word that tokens, events and the audit use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Resident => "resident",
            Role::DistrictAdministrator => "district_administrator",
            Role::StreetAdministrator => "street_administrator",
            Role::CommunityAdministrator => "community_administrator",
            Role::Reviewer => "reviewer",
            Role::Inspector => "inspector",
            Role::Proxy => "proxy",
            Role::MemberUnit => "member_unit",
            Role::DistrictAnalyst => "district_analyst",
            Role::HeadquartersAnalyst => "headquarters_analyst",
            Role::HeadquartersInvestigator => "headquarters_investigator",
            Role::PolicyApprover => "policy_approver",
            Role::Operator => "operator",
        }
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 19] = [
        Action::Declare,
        Action::DeclareForOthers,
        Action::Check,
        Action::UploadScans,
        Action::ReadOwnDeclaration,
        Action::ReadDeclaration,
        Action::ReadProfile,
        Action::ReadSummary,
        Action::QuerySql,
        Action::ReadOperations,
        Action::ReadRegistry,
        Action::SetPlaces,
        Action::SetAreaRule,
        Action::SetValueSets,
        Action::SetPolicy,
        Action::SetOrder,
        Action::EraseClaim,
        Action::Halt,
        Action::PublishKeys,
    ];

    /// The word that the audit uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Declare => "declare",
            Action::DeclareForOthers => "declare_for_others",
            Action::Check => "check",
            Action::UploadScans => "upload_scans",
            Action::ReadOwnDeclaration => "read_own_declaration",
            Action::ReadDeclaration => "read_declaration",
            Action::ReadProfile => "read_profile",
            Action::ReadSummary => "read_summary",
            Action::QuerySql => "query_sql",
            Action::ReadOperations => "read_operations",
            Action::ReadRegistry => "read_registry",
            Action::SetPlaces => "set_places",
            Action::SetAreaRule => "set_area_rule",
            Action::SetValueSets => "set_value_sets",
            Action::SetPolicy => "set_policy",
            Action::SetOrder => "set_order",
            Action::EraseClaim => "erase_claim",
            Action::Halt => "halt",
            Action::PublishKeys => "publish_keys",
        }
    }
}

/// The table.
pub const fn permits(role: Role, action: Action) -> bool {
    match role {
        Role::Resident => matches!(action, Action::Declare | Action::ReadOwnDeclaration),
        Role::DistrictAdministrator | Role::StreetAdministrator => {
            matches!(
                action,
                Action::DeclareForOthers
                    | Action::Check
                    | Action::UploadScans
                    | Action::ReadDeclaration
                    | Action::ReadSummary
                    | Action::ReadRegistry
                    | Action::SetPlaces
                    | Action::SetAreaRule
                    | Action::EraseClaim
            )
        }
        Role::CommunityAdministrator => {
            matches!(
                action,
                Action::DeclareForOthers
                    | Action::Check
                    | Action::UploadScans
                    | Action::ReadDeclaration
                    | Action::ReadSummary
                    | Action::ReadRegistry
                    | Action::SetPlaces
            )
        }
        Role::Reviewer => {
            matches!(
                action,
                Action::DeclareForOthers | Action::ReadDeclaration | Action::ReadProfile | Action::ReadSummary
            )
        }
        Role::Inspector | Role::MemberUnit => matches!(action, Action::Check | Action::UploadScans),
        Role::Proxy => matches!(action, Action::DeclareForOthers | Action::ReadDeclaration),
        Role::DistrictAnalyst => matches!(action, Action::ReadSummary),
        // Analysts may ask in SQL once small groups are suppressed in what they see; rows are for investigators.
        Role::HeadquartersAnalyst => matches!(action, Action::ReadSummary | Action::ReadRegistry),
        Role::HeadquartersInvestigator => {
            matches!(action, Action::ReadSummary | Action::QuerySql | Action::ReadRegistry)
        }
        Role::PolicyApprover => {
            matches!(
                action,
                Action::ReadSummary
                    | Action::ReadRegistry
                    | Action::SetValueSets
                    | Action::SetPolicy
                    | Action::SetOrder
                    | Action::Halt
            )
        }
        Role::Operator => {
            matches!(action, Action::ReadOperations | Action::ReadRegistry | Action::Halt | Action::PublishKeys)
        }
    }
}

/// The text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a role")]
pub struct ParseRoleError;

impl FromStr for Role {
    type Err = ParseRoleError;
    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(ParseRoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written out a second time, as a person would check it: rows are actions, columns are [`Role::ALL`] in order.
    #[rustfmt::skip]
    const MATRIX: [(Action, &str); 19] = [
        //                            resident, 3 administrators, reviewer, inspector, proxy, member unit, 3 analysts, approver, operator
        (Action::Declare,            "x............"),
        (Action::DeclareForOthers,   ".xxxx.x......"),
        (Action::Check,              ".xxx.x.x....."),
        (Action::UploadScans,        ".xxx.x.x....."),
        (Action::ReadOwnDeclaration, "x............"),
        (Action::ReadDeclaration,    ".xxxx.x......"),
        (Action::ReadProfile,        "....x........"),
        (Action::ReadSummary,        ".xxxx...xxxx."),
        (Action::QuerySql,           "..........x.."),
        (Action::ReadOperations,     "............x"),
        (Action::ReadRegistry,       ".xxx.....xxxx"),
        (Action::SetPlaces,          ".xxx........."),
        (Action::SetAreaRule,        ".xx.........."),
        (Action::SetValueSets,       "...........x."),
        (Action::SetPolicy,          "...........x."),
        (Action::SetOrder,           "...........x."),
        (Action::EraseClaim,         ".xx.........."),
        (Action::Halt,               "...........xx"),
        (Action::PublishKeys,        "............x"),
    ];

    #[test]
    fn every_role_may_do_what_the_matrix_says_and_nothing_else() {
        assert_eq!(MATRIX.map(|(action, _)| action), Action::ALL, "every action has its row");
        for (action, row) in MATRIX {
            assert_eq!(row.len(), Role::ALL.len(), "every role has its column in {action}");
            for (role, cell) in Role::ALL.into_iter().zip(row.chars()) {
                assert_eq!(permits(role, action), cell == 'x', "{role} × {action}");
            }
        }
    }

    #[test]
    fn a_role_is_its_word() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Resident".parse::<Role>(), Err(ParseRoleError));
    }
}

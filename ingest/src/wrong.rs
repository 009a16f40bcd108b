//! What can be wrong with a field, with the words for it: one table for all doors. None of them repeats what was sent.

use suikang_registry::http::FieldError;
use suikang_schemas::document::DocumentError;
use suikang_schemas::free_text::FreeTextError;
use suikang_schemas::name::NameError;
use suikang_schemas::phone::PhoneError;

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Required,
    Empty,
    TooLong,
    OuterSpace,
    ForbiddenCharacter,
    Length,
    Character,
    CheckDigit,
    NoSuchDate,
    NoSuchArea,
    NoSuchNumber,
    OtherCountry,
    NotAChoice,
    Repeated,
    TooMany,
    NotADate,
    InTheFuture,
    TooLongAgo,
    NotACommittee,
    NotACommunity,
    NotACheckpoint,
    UnknownPlace,
    OutsideCommittee,
    NotForThisRole,
    FullOrSubject,
    NotAnIdentifier,
    OutOfRange,
    NotAPlate,
    Together,
}

impl Wrong {
    /// The field at this place is wrong in this way.
    pub(crate) fn at(self, pointer: impl Into<String>) -> FieldError {
        let (error_code, zh, en) = self.words();
        FieldError::new(pointer, error_code, zh, en)
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Required => ("required", "必填", "is required"),
            Self::Empty => ("empty", "不能为空", "must not be empty"),
            Self::TooLong => ("too_long", "内容过长", "is too long"),
            Self::OuterSpace => ("outer_space", "首尾不能有空格", "must not begin or end with a space"),
            Self::ForbiddenCharacter => {
                ("forbidden_character", "含有无法显示的字符", "holds a character that can't be shown")
            }
            Self::Length => ("wrong_length", "位数不对", "has too few or too many characters"),
            Self::Character => ("wrong_character", "含有不该有的字符", "holds a character that it can't have there"),
            Self::CheckDigit => ("wrong_check_digit", "校验码不对，请核对号码", "has a wrong check digit"),
            Self::NoSuchDate => ("no_such_date", "号码中的出生日期不存在", "tells a date of birth that does not exist"),
            Self::NoSuchArea => ("no_such_area", "号码中的地区不存在", "tells an area that does not exist"),
            Self::NoSuchNumber => ("no_such_number", "没有这样的号码", "is no number of any network"),
            Self::OtherCountry => {
                ("other_country", "只支持 +86、+852、+853、+886 的号码", "is not of +86, +852, +853 or +886")
            }
            Self::NotAChoice => ("not_a_choice", "不在可选范围内", "is none of the choices"),
            Self::Repeated => ("repeated", "重复", "stands there twice"),
            Self::TooMany => ("too_many", "数量过多", "are too many"),
            Self::NotADate => ("not_a_date", "不是 YYYY-MM-DD 格式的日期", "is not a date as YYYY-MM-DD"),
            Self::InTheFuture => ("in_the_future", "不能晚于今天", "lies in the future"),
            Self::TooLongAgo => ("too_long_ago", "日期过早", "lies too long ago"),
            Self::NotACommittee => {
                ("not_a_committee", "不是居（村）委会代码（12 位数字）", "is not a committee's code of 12 digits")
            }
            Self::NotACommunity => ("not_a_community", "不是小区（村）代码", "is not a community's code"),
            Self::NotACheckpoint => ("not_a_checkpoint", "不是查验点代码", "is not a checkpoint's code"),
            Self::UnknownPlace => ("unknown_place", "没有登记这个地点", "is no place of this city"),
            Self::OutsideCommittee => {
                ("outside_committee", "不属于所填的居（村）委会", "is not in the committee given")
            }
            Self::NotForThisRole => ("not_for_this_role", "与登录身份不符", "is not for the role that is signed in"),
            Self::FullOrSubject => {
                ("full_or_subject", "填写完整基本信息，或只填 subject", "is either full information or a subject alone")
            }
            Self::NotAnIdentifier => {
                ("not_an_identifier", "不是小写十六进制标识", "is not an identifier in lower-case hexadecimal")
            }
            Self::OutOfRange => ("out_of_range", "超出范围", "is out of range"),
            Self::NotAPlate => ("not_a_plate", "不是车牌号码", "is not a number plate"),
            Self::Together => ("together", "须同时填写或同时不填", "goes with its companion or not at all"),
        }
    }
}

impl From<NameError> for Wrong {
    fn from(error: NameError) -> Wrong {
        match error {
            NameError::Empty => Wrong::Empty,
            NameError::TooLong => Wrong::TooLong,
            NameError::OuterSpace => Wrong::OuterSpace,
            NameError::ForbiddenCharacter => Wrong::ForbiddenCharacter,
        }
    }
}

impl From<FreeTextError> for Wrong {
    fn from(error: FreeTextError) -> Wrong {
        match error {
            FreeTextError::TooLong => Wrong::TooLong,
            FreeTextError::ForbiddenCharacter => Wrong::ForbiddenCharacter,
        }
    }
}

impl From<DocumentError> for Wrong {
    fn from(error: DocumentError) -> Wrong {
        match error {
            DocumentError::WrongLength => Wrong::Length,
            DocumentError::WrongCharacter => Wrong::Character,
            DocumentError::WrongCheckDigit => Wrong::CheckDigit,
            DocumentError::NoSuchDate => Wrong::NoSuchDate,
            DocumentError::NoSuchArea => Wrong::NoSuchArea,
        }
    }
}

impl From<PhoneError> for Wrong {
    fn from(error: PhoneError) -> Wrong {
        match error {
            PhoneError::WrongCharacter => Wrong::Character,
            PhoneError::WrongLength => Wrong::Length,
            PhoneError::NoSuchNumber => Wrong::NoSuchNumber,
            PhoneError::OtherCountry => Wrong::OtherCountry,
        }
    }
}

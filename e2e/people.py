"""A person who declares, with everything about them that may stand nowhere but in sealed fields."""

NAME, NUMBER, PHONE, ADDRESS, WORDS = "欧阳娜娜", "E87654321", "13912345678", "9号2002房", "上周去过花市"
PRIVATE = (NAME, NUMBER, PHONE, ADDRESS, WORDS)

DECLARATION = {
    "person": {
        "name": NAME,
        "document": {"type": "passport", "number": NUMBER},
        "phone": PHONE,
        "address": ADDRESS,
        "kind": "resident",
    },
    "declared_by": "self",
    "residence": {"committee": "440106001003", "capacity": "owner"},
    "health": {"symptoms": [], "hubei_stay": "none", "contact": "none", "description": WORDS},
}

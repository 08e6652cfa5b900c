"""The words and shapes that the analyst's rules look for. Repetitions are bounded: patterns run in linear time."""

import re


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b", re.IGNORECASE)


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
CAPITALISED = "[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ'-]{1,30}"
NUMBER = r"[0-9]{1,3}(?:[,.][0-9]{3}){1,4}(?:[.,][0-9]{1,2})?|[0-9]{1,12}(?:[.,][0-9]{1,2})?"
SCALE = r"\s?(?:k|m|mn|bn|thousand|million|billion)\b"
PERIOD = r"\s?(?:/|per |a |each |every )\s?(?P<period>month|mo|year|yr|week|day|hour)\b"

AMOUNT = re.compile(
    rf"(?:(?P<symbol>[$€£]|\b(?:USD|EUR|GBP)\b)\s?(?P<before>{NUMBER})(?P<scale>{SCALE})?"
    rf"|(?<![0-9.,])(?P<after>{NUMBER})(?P<scale2>{SCALE})?\s?(?P<unit>€|£|USD\b|EUR\b|GBP\b|dollars?\b|euros?\b|pounds?\b))"
    rf"(?:{PERIOD})?",
    re.IGNORECASE,
)
PERCENT = re.compile(r"(?<![0-9])[0-9]{1,3}(?:[.,][0-9]{1,2})?\s?(?:%|percent\b)", re.IGNORECASE)
DATE = re.compile(
    rf"\b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\b|\b{MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? [0-9]{{4}})?\b"
    rf"|\b[0-9]{{1,2}}\.? {MONTH}(?: [0-9]{{4}})?\b|\bQ[1-4](?: 20[0-9]{{2}})?\b"
    rf"|\b(?:next|this) (?:week|month|quarter|year|{WEEKDAY})\b|\b{WEEKDAY}\b|\b(?:tomorrow|tonight)\b"
)
DURATION = re.compile(r"\b([0-9]{1,3}|one|two|three|four|five|ten|multi)[- ](day|week|month|year)s?\b", re.IGNORECASE)
LONG = re.compile(r"\b(?:lease|mortgage|long[- ]term|exclusiv\w{0,5}|lock[- ]?in|non[- ]compete|full[- ]time)\b", re.I)

PERSON = re.compile(
    rf"(?:\b(?:with|met|from|by|contact|call|email|meet|hire|hiring|ask|for|to|and|Dr\.|Mr\.|Ms\.|Mrs\.|contact:) "
    rf"(?P<cued>{CAPITALISED} {CAPITALISED})\b"
    rf"|\b(?P<followed>{CAPITALISED} {CAPITALISED})"
    r"(?=,| \(| (?:is|said|says|asked|asks|wants|from|of|at|wrote|joined|will|has|offers|offered|suggests)\b))"
)
COMPANY = re.compile(r"\b(?:[A-Z][\w&-]{0,30} ){1,4}(?:Inc|GmbH|Ltd|LLC|AG|Corp|PLC|BV)\b")
GAIN_BEFORE = re.compile(
    r"\b(?:revenue|profits?|sales|savings?|saves?|gain|upside|earn\w{0,4}|bring\w{0,4}|return\w{0,3}|worth|raised?)\b"
    r"[^.,;]{0,20}$",
    re.IGNORECASE,
)
GAIN_AFTER = re.compile(
    r"^(?:\W{1,3}[\w-]{1,20}){0,3}\W{1,3}(?:revenue|profits?|sales|savings?|gain|upside|return|earnings)\b",
    re.IGNORECASE,
)
WORK = re.compile(r"[“\"«„]([^“”\"«»„\n]{4,80})[”\"»“]")
SYSTEM = re.compile(
    r"\b(?:PostgreSQL|Postgres|Redis|Notion|Slack|GitHub|GitLab|AWS|Azure|Kubernetes|Docker|Salesforce|HubSpot|Stripe|Jira"
    r"|[A-Z][\w-]{1,30} (?:API|CRM|ERP|server|database|platform|pipeline|app))\b"
)
ADDRESS = re.compile(r"\bhttps?://\S|\b[\w.+-]{1,64}@[\w-]{1,64}\.\w|\+[0-9]{1,3}[ -][0-9]{2}")

LEGAL = _words(
    r"contract\w{0,4}|lawsuit|legal\w{0,2}|gdpr|hipaa|complian\w{1,3}|regulat\w{1,6}|licen[cs]\w{1,4}|tax(?:es|ation)?",
    r"liabilit\w{1,3}|nda|patent\w{0,2}|trademark\w{0,2}|personal data|customer data|privacy|visa|audit\w{0,2}",
    r"insur\w{1,5}|penalt\w{1,3}|layoffs?|non-compete|sanctions?|security|breach\w{0,2}|medical|guarantee\w{0,1}",
)
IRREVERSIBLE = _words(
    r"sell\w{0,3}|acqui\w{1,7}|merg\w{1,3}|shut\w{0,4} down|clos\w{1,3} (?:the|our|down)|delet\w{1,3}|terminat\w{1,3}",
    r"lay\w{0,3} off|layoffs?|dismiss\w{0,3}|quit(?:s|ting)?|resign\w{0,3}|sign(?:s|ed|ing)?|exclusiv\w{0,5}",
    r"permanent\w{0,2}|relocat\w{1,3}|equity|surgery|lease|mortgage|bet the|all[- ]in|irrevocabl\w|non-refundable",
)
REVERSIBLE = _words(
    r"trial|pilot\w{0,2}|test\w{0,3}|experiment\w{0,3}|prototyp\w{1,3}|cancel any\s?time|month-to-month|refundable",
    r"beta|reversible|opt[- ]out|money[- ]back",
)
UPSIDE = _words(
    r"grow\w{0,4}|launch\w{0,3}|market\w{0,4}|revenue|customers?|opportunit\w{1,3}|partner\w{0,5}|demand|expan\w{1,5}",
    r"profit\w{0,5}|sales|users|wins?|winn\w{2,3}|double|scal\w{1,3}|upside|first mover|competit\w{1,4}",
)
CHOICE = _words(
    r"should (?:we|i|they)|whether|decid\w{1,3}|decision|choos\w{1,3}|choice|versus|vs|or not|consider\w{0,3}",
    r"invest\w{0,5}|acqui\w{1,7}|merg\w{1,3}|hir(?:e|ing)|lay\w{0,3} off|layoffs?|expand\w{0,3}|pivot\w{0,3}",
    r"rais(?:e|ing) (?:a|money|prices?|funding|capital)|quit(?:s|ting)?|resign\w{0,3}|sell\w{0,3}|relocat\w{1,3}",
    r"strateg\w{1,4}|switch\w{0,3}|launch\w{0,3}|worth it|accept the offer|counter[- ]?offer",
)
VERB = (
    "renew|book|send|fix|call|order|update|schedule|pay|email|reply|submit|clean|print|file|buy|cancel|confirm|remind"
    "|return|upload|download|install|check|register|prepare|write|replace|repair|reset|deliver|invite|move|restart|post"
    "|collect|pick up"
)
STARTS_WITH_ACTION = re.compile(rf"^\W{{0,3}}(?:please |todo:? |urgent:? )?({VERB})\b(?!\s?:)", re.IGNORECASE)
ASKS_FOR_ACTION = _words(rf"(?:please|need to|have to|must|remember to|forget to|todo:?|asap:?) ({VERB})")
STARTS_AS_NOTE = re.compile(
    r"^\W{0,3}(?:(?:note|notes|article|link|contact|reading|book|paper|podcast|quote|summary|minutes|video|source)\s?[:-]"
    r"|(?:fyi|meeting notes|notes (?:from|on)|article|contact details|for reference|bookmark|interesting|til)\b)",
    re.IGNORECASE,
)
ADDRESSED_TO_ANALYST = re.compile(
    r"\b(?:ignor\w{1,3}|disregard|forget|overrid\w{1,3})\b.{0,60}\b(?:instruction|prompt|rule|above|previous|everything)"
    r"|\byou (?:are now|must (?:answer|reply|recommend|say|output)|will now)\b|\bsystem prompt\b|\blanguage model\b"
    r"|\bas an ai\b|\b(?:reply|respond|answer|output|print|say) (?:only|exactly|with (?:the )?(?:word|json|text))\b"
    r"|\b(?:choose|recommend|pick|select|approve)\b.{0,20}\boption [abc]\b"
    r"|\b(?:confidence|stance|route)\b ?(?:=|:|to be|must be)|<\/?(?:item|system|note|opinion|areas)>",
    re.IGNORECASE,
)

STOPWORDS = _set(
    "about after again and any are before but can could did does each for from had has have how into its just more",
    "most not now off one only other our out over should some such than that the their them then there they this was",
    "were what when where whether which while who why will with would you your new next need please fyi note very",
)
NOT_NAMES = _set(
    "The This That These Those Our Your Their New Should Would Could Can Please Option Meeting Notes Note Project Team",
    "Office Street North South East West Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February",
    "March April May June July August September October November December Dear Hello Hi We They He She It And But Or",
    "With To In On At Series Contact Article Book Link Reading United San Los Las Saint Inc Gmbh Ltd Llc Corp",
)

AREAS = {
    "Career": _set("career job promotion salary resign role offer interview mentor boss"),
    "Finance": _set("invest budget loan tax invoice bank mortgage savings price cost fund revenue insurance pay"),
    "Health": _set("health doctor dentist surgery sleep gym medical therapy diet training"),
    "Relationships": _set("family friend wedding birthday partner parents wife husband kids dinner"),
    "Learning": _set("learn course book article paper study read podcast language university"),
    "Operations": _set("office lease supplier renew process vendor schedule order contract warehouse hire"),
    "Business Development": _set(
        "customer sales partnership market expand launch deal acquire acquisition client pricing"
    ),
    "Personal Growth": _set("habit journal meditation coach goal reflection retreat"),
    "Technology": _set("server software database api app cloud migrate deploy code security website laptop crm"),
    "Community": _set("community volunteer meetup charity donate neighbours open-source event school"),
}

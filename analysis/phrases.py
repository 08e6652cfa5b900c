"""Phrases that people use towards a model and hardly ever towards each other, by what they are after."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What an attempt to steer a model looks like. The values are stored."""

    ORDER = "order"
    ROLE = "role"
    MARKUP = "markup"
    TOOL = "tool"
    LEAK = "leak"
    ENCODED = "encoded"
    HIDDEN = "hidden"


WORDS = {
    Kind.ORDER: "speaks to a model instead of to you",
    Kind.ROLE: "claims authority over the model",
    Kind.MARKUP: "imitates the marks around a prompt",
    Kind.TOOL: "imitates the answer of a tool",
    Kind.LEAK: "asks to give away what is not in it",
    Kind.ENCODED: "hides words in a code",
    Kind.HIDDEN: "has characters that cannot be seen",
}


def _any(*patterns: str) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in patterns]


_MODEL = r"(?:AI|A\.I\.|LLM|language model|chat ?bots?|GPT(?:-\w{1,6})?|AI (?:assistant|agent|model)|automated (?:agent|assistant|analyst))"
_RULES = r"(?:instruct|prompt|guideline|guardrail|directive|safety|rules?\b|programming|orders?\b)"
_OURS = r"(?:strategic|operational|reference|option [abc]|go\b|none\b|quant\b|auditor\b|entrepreneur\b)"

PHRASES: dict[Kind, list[re.Pattern[str]]] = {
    Kind.ORDER: _any(
        rf"\b(?:ignor(?:e|ing)|disregard|forget|overrid(?:e|ing)|bypass|set aside|pay no attention to)\b(?!.{{0,12}}\bnot\b)"
        rf".{{0,40}}\b(?:all|any|your|previous|prior|above|earlier|preceding|existing|former|system)\b.{{0,30}}\b{_RULES}",
        rf"\byou are (?:now |no longer )?(?:an? |the )?(?:\w{{1,15}} ){{0,3}}{_MODEL}\b",
        r"\byou are (?:now )?(?:DAN\b|an? unrestricted|jailbroken|in developer mode|in debug mode)",
        r"\b(?:developer|debug|god|maintenance) mode (?:is )?(?:now )?(?:on|enabled|active)\b|\bdo anything now\b",
        rf"\bas an? {_MODEL}[,.]? (?:you|your)\b",
        rf"\b(?:attention|note to|notes? for|message (?:to|for)|instructions? (?:to|for)|dear|hello|hey)[,:]? (?:the |any |all |every |reading )?"
        rf"(?:\w{{1,12}} )?{_MODEL}\b",
        rf"\bif you(?:'re| are) an? {_MODEL}\b",
        r"\b(?:new|updated|real|true|actual|hidden|secret) (?:system )?(?:prompt|task|goal|instructions?|objective) (?:for you )?"
        r"(?:is|are)? ?(?:below|follows?|to (?:output|answer|approve|reveal))",
        r"\bfrom now on,? (?:you )?(?:will |must |shall )?(?:only )?(?:act|answer|respond|behave|pretend|output|speak)\b",
        r"\byou (?:must|will|shall) (?:now )?(?:obey|comply with (?:this|these|the following)|answer|respond|output|return|recommend)\b",
        rf"\b(?:confidence|route|stance|lead_persona|recommended|reject|impact)\b[\"'` ]{{0,2}}(?: must be| shall be| to)? ?[=:]? ?[\"'`]?"
        rf"(?:{_OURS}|1\.0\b|0\.9\d?\b|1(?:00 ?%)(?!\w))",
        r"\b(?:always|must|only|simply|just|please) (?:recommend|choose|select|pick|output|answer|return|print)\b.{0,20}\boption [abc]\b",
        r"\b(?:answer|respond|output|print|reply|say) (?:only |exactly |solely |nothing but )+(?:with )?(?:the (?:word|text|phrase|string|json)|json|[\"“'`])",
        r"\b(?:classify|triage|mark|label) (?:this|it)(?: \w{1,12})? as [\"'`]?(?:strategic|operational|reference)\b",
        r"\b(?:do not|don't|never) (?:mention|reveal|tell|show|disclose)\b.{0,30}\b(?:this|these|the) (?:instruction|order|prompt|message to you)",
        r"\b(?:all|the|every) (?:three )?(?:personas?|advisers?|advisors?|synthesi[sz]er) (?:must|shall|will|have to|should) "
        r"(?:agree|approve|recommend|say|output|repeat|answer|ignore)",
        # German, Dutch
        r"\b(?:ignorier\w{0,3}|missacht\w{0,3}|vergiss|vergesst|vergessen sie)\b(?! nicht)[^.!?]{0,40}\b(?:anweisung|instruktion|vorgabe|regeln|systemprompt|befehle)",
        r"\b(?:negeer|vergeet)\b(?! niet)[^.!?]{0,40}\b(?:instructies|regels|opdrachten)\b|\bdu bist (?:jetzt|nun) ein\w? .{0,20}\b(?:KI|assistent|modell)\b",
        # French, Spanish, Italian, Portuguese
        r"(?<!n')\b(?:ignore[zr]?|oublie[zr]?|ne (?:tiens|tenez) pas compte de)\b(?! pas)[^.!?]{0,40}\b(?:instructions|consignes|règles|directives)\b",
        r"(?<!no )\b(?:ignor[ae]\w{0,2}|olvid[ae]\w{0,2}|omit[ae])\b[^.!?]{0,40}\b(?:instrucciones|reglas|indicaciones|órdenes)\b",
        r"(?<!non )\b(?:ignor[ai]\w{0,2}|dimentica(?:te)?|trascura)\b[^.!?]{0,40}\b(?:istruzioni|regole|indicazioni)\b",
        r"(?<!não )\b(?:ignore|esqueça|desconsidere)\b[^.!?]{0,40}\b(?:instruções|regras|ordens)\b",
        # Polish, Turkish, Russian, Ukrainian
        r"\b(?:zignoruj|ignoruj|pomiń|zapomnij)\b[^.!?]{0,40}\b(?:instrukcj|polece|zasad)",
        r"\b(?:talimat|kural|yönerge)\w{0,12}\b.{0,20}\b(?:yok say|görmezden gel|unut(?!ma))",
        r"(?<!не )\b(?:игнорируй\w{0,2}|проигнорируй\w{0,2}|забудь\w{0,2}|ігноруй\w{0,2})\b[^.!?]{0,40}\b(?:инструкци|указани|правил|інструкц)",
        # Chinese, Japanese, Korean, Arabic, Hindi
        r"(?<!不要)(?<!别)(?:忽略|无视|無視|忽視|忘记|忘掉).{0,12}(?:指令|指示|说明|提示|规则|規則|命令)",
        r"(?:指示|命令|プロンプト|ルール)(?:を|は|すべて|全て|、){0,3}無視",
        r"(?:지시|명령|규칙|지침|프롬프트).{0,8}무시",
        r"تجاهل.{0,30}(?:التعليمات|الأوامر|القواعد)",
        r"निर्देश\w{0,6}.{0,20}(?:अनदेखा|नज़रअंदाज़|अनदेखी)",
    ),
    Kind.ROLE: _any(
        r"\b(?:this is|i am|i'm|we are|speaking as|message from|on behalf of|signed by) (?:your |the )?"
        r"(?:anthropic|openai)\b(?:.{0,40}\b(?:team|staff|engineer|safety|developers?|you)\b)",
        r"\b(?:this is|i am|i'm|we are|speaking as|message from|on behalf of) your (?:\w{1,12} )?(?:developer|creator|administrator|operator|maker|owner|programmer|supervisor)s?\b",
        r"\bas (?:your|the) (?:\w{1,12} )?(?:administrator|admin|developer|operator|owner|creator|root)\b,? i (?:hereby )?(?:authori[sz]e|order|instruct|command|grant|permit|allow)",
        r"\bi(?: am|'m) authori[sz]ed to (?:override|change your|disable|give you)\b|\bi (?:hereby )?(?:authori[sz]e|order|command) (?:you|the (?:AI|model|assistant))\b",
        r"\b(?:admin|administrator|root|developer|system|priority|supervisor) (?:override|prompt|directive)\b",
        r"\boverride (?:code|token|key)\b",
        r"(?:^|\n)\W{0,6}(?:system|developer|root|admin(?:istrator)?)\W{0,4}(?: message)?\s?[:>\]]\s?.{0,80}\b(?:you|assistant|model|ignore|instructions?|must)\b",
        r"(?:^|\n)\W{0,4}(?:human|user):.{0,400}\n\W{0,4}(?:assistant|AI|claude):",
    ),
    Kind.MARKUP: _any(
        r"</?\s{0,3}(?:item|areas|opinion|own|system|assistant|human|instructions?|system[-_ ](?:prompt|reminder|message)|answer|problems|admin|thinking)\s{0,3}(?:\s[^<>]{0,80})?>",
        r"</?\s{0,3}(?:plan|note)\s{0,3}>",
        r"<\|[\w ]{2,30}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
        r"\[(?:system|admin|developer|assistant)[ _](?:message|prompt|override|instructions?|note)[^\]]{0,40}\]",
        r"#{2,4} ?(?:system prompt|new instructions?|assistant:|human:|system:)",
        r"[\"']role[\"']\s{0,3}:\s{0,3}[\"'](?:system|assistant|developer)[\"']",
        r"(?:u003c|&lt;)/?(?:item|system|opinion)(?:\b|u003e)",
        r"(?<![-=#*_~])[-=#*_~]{3,40} ?(?:end|begin|start|stop)(?:ning)?(?: of)?(?: the)? (?:item|input|user (?:input|data|message|content)|untrusted|system|prompt|instructions?|quoted)",
        r"[\"'][}\]]{1,4}[\s,]{0,5}(?:system|assistant|ignore|new instructions?)\b",
        r"```\s{0,3}(?:system|assistant|prompt|instructions?)\b",
    ),
    Kind.TOOL: _any(
        r"</?\s{0,3}(?:antml:)?(?:tool|function)[_-]?(?:result|output|response|call|use|return)s?\b[^<>]{0,80}>|</?\s{0,3}(?:antml:\w{1,20}|invoke|search_results?)\b[^<>]{0,80}>",
        r"[\"'](?:tool_use_id|tool_call_id|function_call|tool_calls|tool_result|tool_use|is_error)[\"']",
        r"\b(?:tool|function)[ _](?:result|output|response|return)s?(?: \([\w ]{1,30}\))? ?[:=>]",
        r"\b(?:web_search|web search|bash|python|browser|database lookup|sql|retrieval|verify_\w{2,20}|\w{2,20}_tool|\w{2,20}\(\))(?: tool)? (?:returned|output|result)s? ?[:=]",
        r"\bobservation: .{1,400}\b(?:thought|action|final answer):",
        r"\bfunction returned (?:true|ok|success|[\"{])|\btool call (?:succeeded|completed|approved)\b",
    ),
    Kind.LEAK: _any(
        r"\b(?:reveal|repeat|print|show|output|display|disclose|leak|append|include|paste|quote|copy|dump|recite|summari[sz]e|translate|tell|write|encode|spell|what(?:'s| is| are| was))\b"
        r".{0,40}\b(?:system prompt|your (?:own |full |exact |initial |original |hidden |system |secret |first )?(?:instructions|prompts?|guidelines|configuration|context window|api keys?|credentials|environment variables)"
        r"|(?:instructions|prompt|text|words|everything) (?:above|before this|you were given|you received|preceding this)|(?:hidden|initial) (?:prompt|instructions)"
        r"|canary)\b",
        r"\b(?:reveal|print|show|output|list|append|include|paste|copy|dump|quote|summari[sz]e|repeat|mention|read)\b.{0,40}\b(?:other|all|every|neighbou?ring|remaining|previous) (?:the )?"
        r"(?:(?:\w{1,10} )?(?:inbox|users?'?s?|people's) (?:items?|notes|pages?|data|messages|entries)|items in (?:the|this|your) (?:inbox|queue|database))",
        r"\b(?:print|dump|output|reveal|append|include|leak|send|post|encode|copy)\b.{0,30}\b(?:your|our|the server's|all) (?:env(?:ironment)? var\w{0,6}|api[ _-]?keys?|secrets?\b|access tokens?|database (?:url|password))",
        r"https?://[^\s<>]{1,200}[?&/=](?-i:\{\{?|\$\{?|\[|<|%7B)?(?-i:(?:SYSTEM|PROMPT|SECRET|SUMMARY|DATA|INBOX|CONTEXT|API_?KEY|CANARY|INSERT|ANSWER|YOUR)[A-Z_]{0,30}\b)",
        r"https?://[^\s<>]{1,200}[?&][\w-]{1,20}=(?:\{|\[|\$|<|%7B){1,2}\s?(?:the[ _])?(?:system|prompt|secret|summary|data|inbox|context|key|canary|content|answer|notes?|your|everything)",
        r"\b(?:append|add|attach|embed|encode|put|insert|send|post|forward|transmit|upload|exfiltrate|submit|render|load)\b.{0,60}"
        r"\b(?:this conversation|your (?:answer|analysis|instructions|reasoning|context|memory|notes)|everything (?:above|you)|system prompt|what you (?:know|were told|have read)|the other items|chat history|(?:whole|entire) inbox)\b"
        r".{0,60}(?:https?://|\b\w[\w.+-]{0,40}@\w)",
        # In other languages
        r"\b(?:zeig\w{0,2}|verrat\w{0,2}|wiederhol\w{0,2}|gib|nenn\w{0,2}|montre\w{0,2}|révèle\w{0,2}|affiche\w{0,2}|répète\w{0,2}|muestr\w{1,3}|revel\w{1,3}|repit\w{1,3}|mostra\w{0,2}|покажи\w{0,2}|выведи\w{0,2}|повтори\w{0,2}|toon)\b"
        r".{0,40}(?:system-?prompt|prompt (?:système|del sistema|di sistema|do sistema)|(?:deine|ihre|tes|vos|tus|sus|tue|le tue) (?:\w{1,12} )?(?:anweisungen|instructions|consignes|instrucciones|istruzioni)|системн\w{2,4} (?:промпт|инструкц))",
        r"(?:输出|显示|透露|重复|告诉我|表示|出力|教えて|見せて).{0,10}(?:系统提示|系统指令|システムプロンプト|你的指令)|(?:系统提示|システムプロンプト).{0,10}(?:输出|显示|透露|表示|出力|教えて|見せて)",
    ),
    Kind.ENCODED: [],
    Kind.HIDDEN: [],
}

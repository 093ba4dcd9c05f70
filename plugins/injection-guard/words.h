/* What the guard knows of language: words in classes, and patterns of classes. All words are as fold
   (scan.h) makes them: lower case, without accents and apostrophes. */
#ifndef WORDS_H
#define WORDS_H

/* Classes of words. */
enum {
    IGN, /* ignore */
    FORGET,
    ALL,
    PREV, /* previous */
    INSTR, /* instructions, and what is like them if it is a previous one */
    INSTR2, /* instructions, whosever */
    EVERYTHING,
    TOLD,
    NEW,
    YOU,
    YOUR,
    BE,
    NOW,
    NOLONGER, /* longer */
    BOUND,
    AI,
    JOB, /* after AI it is a person: an AI researcher */
    ACTAS,
    DAN,
    MODE,
    ENABLED,
    MUST,
    ATTENTION,
    IF,
    REAL,
    TASK,
    REVEAL,
    SYSTEM,
    PROMPT,
    NOT,
    FOLLOW,
    USER,
    TELL,
    TELL2, /* what software does without being asked, too */
    THIS,
    KEEP,
    SECRETLY, /* secret, hidden */
    FROM,
    SEE,
    SEND,
    CHAT,
    SECRET,
    DEST,
    READ,
    KEYFILE,
    PASSON,
    ALWAYS,
    COPY,
    ACT,
    VENDOR,
    MESSAGE,
    OVERRIDE,
    BEFORE,
    THEN,
    TAG,  /* no word, but a tag such as <system> */
    TOOL,
    NOTE,
    DISCUSS, /* of those who write about such texts */
    TO,
    KNOW,
    READING,
    AI2, /* what can be nothing else */
    LANGUAGE,
    CLASSES
};

#define C(x) ((uint64_t)1 << (x))

static const struct {
    const char *word;
    uint64_t classes;
} vocabulary[] = {
    {"ignore", C(IGN)}, {"ignoring", C(IGN)}, {"disregard", C(IGN)}, {"disregarding", C(IGN)}, {"bypass", C(IGN)}, {"neglect", C(IGN)}, {"discard", C(IGN)}, {"dismiss", C(IGN)},
    {"override", C(IGN) | C(OVERRIDE)}, {"overwrite", C(IGN)}, {"overrides", C(OVERRIDE)}, {"overridden", C(OVERRIDE)}, {"supersede", C(OVERRIDE) | C(IGN)}, {"supersedes", C(OVERRIDE)},
    {"forget", C(IGN) | C(FORGET)}, {"abandon", C(IGN)}, {"erase", C(FORGET)},
    {"ignorez", C(IGN)}, {"oubliez", C(IGN)}, {"oublie", C(IGN)}, {"ignoriere", C(IGN)}, {"ignorieren", C(IGN)}, {"vergiss", C(IGN)}, {"missachte", C(IGN)}, {"ignora", C(IGN)}, {"ignorar", C(IGN)},
    {"ignoren", C(IGN)}, {"olvida", C(IGN)}, {"dimentica", C(IGN)}, {"ignorate", C(IGN)}, {"esqueca", C(IGN)}, {"desconsidere", C(IGN)}, {"negeer", C(IGN)},
    {"all", C(ALL)}, {"any", C(ALL)}, {"every", C(ALL)}, {"alle", C(ALL)}, {"toutes", C(ALL)}, {"tous", C(ALL)}, {"todas", C(ALL)}, {"todos", C(ALL)}, {"tutte", C(ALL)},
    {"previous", C(PREV)}, {"prior", C(PREV)}, {"above", C(PREV) | C(TOLD)}, {"preceding", C(PREV)}, {"earlier", C(PREV)}, {"foregoing", C(PREV)}, {"existing", C(PREV)}, {"original", C(PREV) | C(SYSTEM) | C(REAL)},
    {"initial", C(PREV) | C(SYSTEM)}, {"former", C(PREV)}, {"past", C(PREV)}, {"system", C(PREV) | C(SYSTEM)}, {"developer", C(PREV) | C(JOB) | C(DAN)}, {"safety", C(PREV)}, {"ethical", C(PREV)},
    {"precedentes", C(PREV)}, {"precedents", C(PREV)}, {"precedenti", C(PREV)}, {"anteriores", C(PREV)}, {"previas", C(PREV)}, {"vorherigen", C(PREV)}, {"bisherigen", C(PREV)}, {"vorigen", C(PREV)}, {"obigen", C(PREV)}, {"vorige", C(PREV)},
    {"instructions", C(INSTR) | C(INSTR2)}, {"instruction", C(INSTR) | C(INSTR2)}, {"prompt", C(INSTR) | C(PROMPT)}, {"prompts", C(INSTR) | C(PROMPT)}, {"directives", C(INSTR) | C(INSTR2)}, {"directive", C(INSTR) | C(INSTR2)},
    {"guidelines", C(INSTR) | C(INSTR2)}, {"directions", C(INSTR)}, {"rules", C(INSTR)}, {"commands", C(INSTR)}, {"orders", C(INSTR)}, {"context", C(INSTR) | C(CHAT)}, {"constraints", C(INSTR) | C(BOUND)}, {"restrictions", C(INSTR) | C(INSTR2) | C(BOUND)},
    {"guardrails", C(INSTR) | C(INSTR2) | C(DISCUSS)}, {"programming", C(INSTR2)}, {"training", C(INSTR2)}, {"policies", C(INSTR)}, {"protocols", C(INSTR)},
    {"anweisungen", C(INSTR) | C(INSTR2)}, {"instruktionen", C(INSTR) | C(INSTR2)}, {"instrucciones", C(INSTR) | C(INSTR2)}, {"istruzioni", C(INSTR) | C(INSTR2)}, {"instrucoes", C(INSTR) | C(INSTR2)}, {"consignes", C(INSTR) | C(INSTR2)}, {"instructies", C(INSTR) | C(INSTR2)},
    {"everything", C(EVERYTHING)}, {"anything", C(EVERYTHING)}, {"what", C(EVERYTHING)}, {"whatever", C(EVERYTHING)},
    {"told", C(TOLD) | C(SEE) | C(KNOW)}, {"asked", C(TOLD)}, {"said", C(TOLD)}, {"learned", C(TOLD)}, {"instructed", C(TOLD)}, {"before", C(TOLD) | C(BEFORE)}, {"know", C(TOLD) | C(SEE) | C(KNOW)}, {"been", 0},
    {"new", C(NEW)}, {"updated", C(NEW)}, {"revised", C(NEW)}, {"following", C(NEW)},
    {"you", C(YOU)}, {"youre", C(YOU) | C(BE)}, {"your", C(YOUR)}, {"are", C(BE)}, {"is", C(BE)}, {"were", C(BE)}, {"now", C(NOW)}, {"immediately", C(NOW)}, {"henceforth", C(NOW)},
    {"longer", C(NOLONGER)}, {"bound", C(BOUND)}, {"restricted", C(BOUND)}, {"limited", C(BOUND)}, {"restrained", C(BOUND)}, {"constrained", C(BOUND)}, {"limitations", C(BOUND)}, {"limits", C(BOUND)}, {"filters", C(BOUND)},
    {"ai", C(AI) | C(AI2)}, {"assistant", C(AI) | C(AI2)}, {"assistants", C(AI)}, {"llm", C(AI) | C(AI2)}, {"llms", C(AI)}, {"chatbot", C(AI) | C(AI2)}, {"chatgpt", C(AI) | C(AI2)}, {"gpt", C(AI) | C(AI2)}, {"claude", C(AI) | C(AI2)}, {"gemini", C(AI) | C(AI2)}, {"copilot", C(AI)}, {"agents", C(AI)}, {"agent", C(AI)}, {"model", C(AI)}, {"models", C(AI)},
    {"researcher", C(JOB) | C(DISCUSS)}, {"researchers", C(JOB) | C(DISCUSS)}, {"engineer", C(JOB)}, {"engineers", C(JOB)}, {"developers", C(JOB) | C(VENDOR)}, {"company", C(JOB)}, {"startup", C(JOB)}, {"student", C(JOB)}, {"enthusiast", C(JOB)}, {"vendor", C(JOB)}, {"team", C(JOB)}, {"user", C(USER)}, {"s", 0},
    {"act", C(ACTAS)}, {"pretend", C(ACTAS)}, {"roleplay", C(ACTAS)}, {"behave", C(ACTAS)}, {"become", C(ACTAS)}, {"impersonate", C(ACTAS)},
    {"dan", C(DAN)}, {"jailbroken", C(DAN)}, {"unrestricted", C(DAN)}, {"unfiltered", C(DAN)}, {"uncensored", C(DAN)}, {"god", C(DAN)}, {"evil", C(DAN)}, {"sudo", C(DAN)}, {"jailbreak", C(DAN) | C(DISCUSS)}, {"maintenance", 0},
    {"mode", C(MODE)}, {"enabled", C(ENABLED)}, {"activated", C(ENABLED)}, {"engaged", C(ENABLED)}, {"unlocked", C(ENABLED)}, {"enter", C(ENABLED)}, {"activate", C(ENABLED)},
    {"must", C(MUST)}, {"should", C(MUST)}, {"shall", C(MUST)}, {"please", C(MUST)}, {"need", C(MUST)}, {"have", C(MUST)}, {"required", C(MUST)}, {"will", C(MUST)},
    {"attention", C(ATTENTION)}, {"hey", C(ATTENTION)}, {"dear", C(ATTENTION)}, {"hello", C(ATTENTION)}, {"note", C(NOTE)}, {"message", C(NOTE) | C(MESSAGE)}, {"messages", C(CHAT)}, {"notice", C(NOTE) | C(MESSAGE)}, {"reminder", C(NOTE)}, {"important", C(NOTE) | C(NEW)},
    {"if", C(IF)}, {"when", C(IF)}, {"whenever", C(IF) | C(ALWAYS)},
    {"real", C(REAL)}, {"true", C(REAL)}, {"actual", C(REAL)}, {"only", C(REAL)}, {"primary", C(REAL)}, {"sole", C(REAL)}, {"secret", C(REAL) | C(SYSTEM) | C(SECRETLY) | C(SECRET)},
    {"task", C(TASK)}, {"goal", C(TASK)}, {"objective", C(TASK)}, {"purpose", C(TASK)}, {"mission", C(TASK)}, {"question", C(TASK)}, {"request", C(TASK)}, {"query", C(TASK)}, {"job", C(TASK)}, {"role", C(TASK)}, {"identity", C(TASK)}, {"persona", C(TASK)},
    {"reveal", C(REVEAL) | C(TELL2)}, {"print", C(REVEAL)}, {"repeat", C(REVEAL)}, {"output", C(REVEAL)}, {"dump", C(REVEAL)}, {"leak", C(REVEAL) | C(SEND)}, {"disclose", C(REVEAL) | C(TELL2)}, {"show", C(REVEAL) | C(TELL2)}, {"display", C(REVEAL) | C(TELL2)}, {"hidden", C(SYSTEM) | C(SECRETLY)},
    {"not", C(NOT)}, {"dont", C(NOT)}, {"never", C(NOT)}, {"without", C(NOT)}, {"avoid", C(NOT)}, {"cannot", C(NOT)}, {"stop", C(NOT)}, {"mustnt", C(NOT)}, {"shouldnt", C(NOT)}, {"isnt", C(NOT)}, {"doesnt", C(NOT)},
    {"follow", C(FOLLOW)}, {"obey", C(FOLLOW)}, {"comply", C(FOLLOW)}, {"adhere", C(FOLLOW)}, {"listen", C(FOLLOW)}, {"execute", C(FOLLOW) | C(ACT)}, {"following", C(NEW)},
    {"users", C(USER)}, {"human", C(USER)}, {"humans", C(USER)}, {"operator", C(USER)}, {"customer", 0}, {"anyone", C(USER)}, {"anybody", C(USER)}, {"them", 0}, {"person", C(USER)},
    {"tell", C(TELL)}, {"telling", C(TELL)}, {"mention", C(TELL)}, {"mentioning", C(TELL)}, {"inform", C(TELL)}, {"informing", C(TELL)}, {"alert", C(TELL)}, {"alerting", C(TELL2)}, {"notify", C(TELL2)}, {"notifying", C(TELL2)}, {"asking", C(TELL2)}, {"ask", C(TELL2)}, {"warn", C(TELL)}, {"report", C(TELL2)}, {"revealing", C(TELL)}, {"let", C(TELL2)}, {"acknowledge", C(TELL)},
    {"this", C(THIS)}, {"that", C(THIS)}, {"these", C(THIS)}, {"it", C(THIS)},
    {"keep", C(KEEP)}, {"hide", C(KEEP) | C(SECRETLY)}, {"conceal", C(KEEP) | C(SECRETLY)}, {"kept", C(KEEP)},
    {"hiding", C(SECRETLY)}, {"confidential", C(SECRETLY)}, {"quiet", C(SECRETLY)}, {"silently", C(SECRETLY)}, {"secretly", C(SECRETLY)}, {"quietly", C(SECRETLY)}, {"covertly", C(SECRETLY)}, {"discreetly", C(SECRETLY)},
    {"from", C(FROM)}, {"to", C(TO)},
    {"see", C(SEE)}, {"aware", C(SEE) | C(KNOW)}, {"notice", C(KNOW)}, {"notified", C(SEE) | C(KNOW)}, {"informed", C(SEE) | C(KNOW)},
    {"send", C(SEND) | C(PASSON) | C(ACT)}, {"post", C(SEND) | C(PASSON) | C(ACT)}, {"forward", C(SEND) | C(PASSON) | C(COPY) | C(ACT)}, {"email", C(SEND) | C(ACT)}, {"mail", C(SEND)}, {"upload", C(SEND) | C(PASSON) | C(ACT)}, {"exfiltrate", C(SEND) | C(PASSON) | C(ACT)}, {"transmit", C(SEND) | C(PASSON) | C(ACT)}, {"submit", C(SEND) | C(PASSON)},
    {"include", C(PASSON) | C(SEND)}, {"pass", C(PASSON) | C(SEND)}, {"provide", C(PASSON)}, {"append", C(PASSON) | C(SEND)}, {"put", C(PASSON)}, {"paste", C(PASSON)}, {"attach", C(PASSON) | C(SEND)}, {"encode", C(PASSON)}, {"base64", C(PASSON)}, {"use", 0},
    {"conversation", C(CHAT)}, {"conversations", C(CHAT)}, {"chat", C(CHAT)}, {"history", C(CHAT)}, {"transcript", C(CHAT)}, {"memory", C(CHAT)},
    {"password", C(SECRET)}, {"passwords", C(SECRET)}, {"credentials", C(SECRET) | C(KEYFILE)}, {"credential", C(SECRET)}, {"token", C(SECRET)}, {"tokens", C(SECRET)}, {"key", C(SECRET)}, {"keys", C(SECRET) | C(KEYFILE)}, {"secrets", C(SECRET) | C(KEYFILE)}, {"cookies", C(SECRET)}, {"cookie", C(SECRET)},
    {"http", C(DEST)}, {"https", C(DEST)}, {"webhook", C(DEST)}, {"attacker", C(DEST) | C(DISCUSS)}, {"url", C(DEST)}, {"endpoint", C(DEST)}, {"server", C(DEST)}, {"parameter", C(DEST)}, {"argument", C(DEST)}, {"address", C(DEST)}, {"com", C(DEST)}, {"example", C(DEST)}, {"net", C(DEST)}, {"org", C(DEST)},
    {"read", C(READ) | C(ACT)}, {"open", C(READ) | C(ACT)}, {"cat", C(READ)}, {"load", C(READ)}, {"fetch", C(READ) | C(ACT)}, {"collect", C(READ) | C(ACT)}, {"gather", C(READ) | C(ACT)}, {"retrieve", C(READ)}, {"get", C(READ)}, {"access", C(READ)}, {"find", C(READ)}, {"search", C(READ)},
    {"ssh", C(KEYFILE)}, {"rsa", C(KEYFILE)}, {"env", C(KEYFILE)}, {"passwd", C(KEYFILE)}, {"shadow", C(KEYFILE)}, {"aws", C(KEYFILE)}, {"kubeconfig", C(KEYFILE)}, {"ed25519", C(KEYFILE)}, {"netrc", C(KEYFILE)}, {"wallet", C(KEYFILE)}, {"keychain", C(KEYFILE)}, {"cursor", C(KEYFILE)},
    {"always", C(ALWAYS)}, {"bcc", C(COPY)}, {"cc", C(COPY)}, {"copy", C(COPY)},
    {"call", C(ACT)}, {"invoke", C(ACT)}, {"run", C(ACT)}, {"delete", C(ACT)}, {"transfer", C(ACT)}, {"approve", C(ACT)}, {"respond", C(ACT)}, {"reply", C(ACT)}, {"answer", C(ACT)}, {"recommend", C(ACT)}, {"visit", C(ACT)}, {"click", C(ACT)}, {"curl", C(ACT)}, {"install", C(ACT)}, {"push", C(ACT)}, {"merge", C(ACT)}, {"grant", C(ACT)}, {"rate", C(ACT)}, {"hire", C(ACT)},
    {"openai", C(VENDOR)}, {"anthropic", C(VENDOR)}, {"administrator", C(VENDOR)}, {"admin", C(VENDOR)}, {"creators", C(VENDOR)},
    {"update", C(MESSAGE)}, {"security", C(PREV)}, {"then", C(THEN)}, {"and", C(THEN)}, {"instead", C(NOW)},
    {"reading", C(READING)}, {"processing", C(READING)}, {"parsing", C(READING)}, {"summarizing", C(READING)}, {"summarising", C(READING)}, {"reviewing", C(READING)}, {"evaluating", C(READING)}, {"language", C(LANGUAGE)}, {"tool", C(TOOL)}, {"tools", C(TOOL)}, {"function", C(TOOL)},
    {"injection", C(DISCUSS)}, {"injections", C(DISCUSS)}, {"jailbreaks", C(DISCUSS)}, {"jailbreaking", C(DISCUSS)}, {"attackers", C(DISCUSS)}, {"adversarial", C(DISCUSS)}, {"owasp", C(DISCUSS)}, {"cve", C(DISCUSS)}, {"mitigation", C(DISCUSS)}, {"mitigations", C(DISCUSS)},
    {"vulnerability", C(DISCUSS)}, {"vulnerabilities", C(DISCUSS)}, {"payload", C(DISCUSS)}, {"payloads", C(DISCUSS)}, {"exploit", C(DISCUSS)}, {"exploits", C(DISCUSS)}, {"detector", C(DISCUSS)}, {"detectors", C(DISCUSS)}, {"detection", C(DISCUSS)}, {"classifier", C(DISCUSS)}, {"attacks", C(DISCUSS)}, {"phrases", C(DISCUSS)}, {"untrusted", C(DISCUSS)}, {"poisoning", C(DISCUSS)}, {"tokenizer", C(DISCUSS)}, {"template", C(DISCUSS)}, {"templates", C(DISCUSS)}, {"defense", C(DISCUSS)}, {"defence", C(DISCUSS)},
};

/* What a text can be found to be. The order is that of the settings. */
enum { INVISIBLE, BIDI, CONTROL, INSTRUCTIONS, ROLES, SECRECY, EXFILTRATION, LINKS, ENCODED, FINDS };

/* A pattern is a row of classes. gap is how many words further than the next one the class may
   stand. Patterns that can stand in honest text too weigh 1: they count beside others. */
enum { STEPS = 4 };

static const struct pattern {
    uint8_t find, weight;
    struct {
        uint64_t classes;
        uint8_t gap;
    } step[STEPS];
} patterns[] = {
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(PREV), 4}, {C(INSTR), 2}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(INSTR2), 4}, {C(PREV), 2}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(ALL) | C(YOUR), 1}, {C(INSTR2), 2}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(EVERYTHING), 1}, {C(YOU) | C(USER), 2}, {C(TOLD), 4}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(PREV), 1}, {C(NOW), 1}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(USER), 1}, {C(TASK), 1}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(ALL), 2}, {C(INSTR), 1}, {C(PREV), 5}}},
    {INSTRUCTIONS, 2, {{C(NEW), 0}, {C(INSTR2), 0}, {C(FROM), 0}, {C(VENDOR), 2}}},
    {INSTRUCTIONS, 2, {{C(AI), 0}, {C(READING), 1}, {C(THIS), 1}}},
    {INSTRUCTIONS, 2, {{C(AI2), 0}, {C(YOU), 0}, {C(MUST) | C(BE), 1}, {C(ACT), 3}}},
    {INSTRUCTIONS, 2, {{C(ACTAS), 0}, {C(NOT), 6}, {C(BOUND), 2}}},
    {INSTRUCTIONS, 2, {{C(YOU), 0}, {C(BE), 0}, {C(LANGUAGE), 2}, {C(AI), 0}}},
    {INSTRUCTIONS, 2, {{C(IGN), 0}, {C(EVERYTHING), 1}, {C(PREV) | C(BEFORE), 1}}},
    {INSTRUCTIONS, 2, {{C(NOT), 0}, {C(FOLLOW), 1}, {C(PREV), 3}, {C(INSTR), 3}}},
    {INSTRUCTIONS, 2, {{C(YOUR), 0}, {C(NEW) | C(REAL), 0}, {C(INSTR2) | C(TASK), 1}, {C(BE), 1}}},
    {INSTRUCTIONS, 1, {{C(NEW), 0}, {C(SYSTEM) | C(NEW), 1}, {C(INSTR2), 1}}},
    {INSTRUCTIONS, 1, {{C(NEW), 0}, {C(INSTR2), 0}, {C(FROM) | C(BE), 1}}},
    {INSTRUCTIONS, 2, {{C(YOU), 0}, {C(BE), 1}, {C(NOW), 1}, {C(AI) | C(DAN), 5}}},
    {INSTRUCTIONS, 2, {{C(YOU), 0}, {C(NOLONGER), 3}, {C(BOUND) | C(FOLLOW), 3}}},
    {INSTRUCTIONS, 2, {{C(ACTAS), 0}, {C(DAN), 5}}},
    {INSTRUCTIONS, 1, {{C(ACTAS), 0}, {C(AI), 4}}},
    {INSTRUCTIONS, 1, {{C(DAN), 0}, {C(MODE), 1}, {C(ENABLED), 2}}},
    {INSTRUCTIONS, 2, {{C(ENABLED), 0}, {C(DAN), 2}, {C(MODE), 1}}},
    {INSTRUCTIONS, 2, {{C(ATTENTION), 0}, {C(AI), 3}, {C(MUST) | C(IGN) | C(ACT) | C(NOT), 8}}},
    {INSTRUCTIONS, 2, {{C(NOTE) | C(INSTR2), 0}, {C(TO), 0}, {C(AI), 3}, {C(MUST) | C(ACT) | C(IGN) | C(NOT), 8}}},
    {INSTRUCTIONS, 2, {{C(IF), 0}, {C(YOU), 0}, {C(BE), 0}, {C(AI2), 2}}},
    {INSTRUCTIONS, 1, {{C(AI), 0}, {C(MUST), 2}, {C(ACT) | C(IGN) | C(NOT) | C(TELL), 4}}},
    {INSTRUCTIONS, 1, {{C(YOU), 0}, {C(MUST), 1}, {C(ACT), 3}}},
    {INSTRUCTIONS, 1, {{C(SYSTEM), 0}, {C(OVERRIDE), 1}}},
    {INSTRUCTIONS, 1, {{C(MESSAGE) | C(INSTR2), 0}, {C(FROM), 1}, {C(VENDOR), 3}}},
    {INSTRUCTIONS, 1, {{C(BEFORE), 0}, {C(TOOL), 4}, {C(READ), 6}}},
    {INSTRUCTIONS, 1, {{C(OVERRIDE), 0}, {C(ALL) | C(PREV), 2}, {C(INSTR), 3}}},
    {INSTRUCTIONS, 1, {{C(IGN), 0}, {C(USER), 2}, {C(NOW) | C(INSTR) | C(THEN), 3}}},
    {ROLES, 2, {{C(TAG), 0}, {C(YOU) | C(AI), 8}, {C(MUST) | C(BE) | C(NOT) | C(ALWAYS), 3}}},
    {ROLES, 2, {{C(TAG), 0}, {C(IGN), 6}}},
    {ROLES, 2, {{C(TAG), 0}, {C(BEFORE), 5}, {C(TOOL), 6}}},
    {SECRECY, 2, {{C(NOT), 0}, {C(TELL), 3}, {C(USER), 4}}},
    {SECRECY, 1, {{C(NOT), 0}, {C(TELL2), 2}, {C(USER), 4}}},
    {SECRECY, 1, {{C(NOT), 0}, {C(TELL), 1}, {C(THIS) | C(EVERYTHING), 2}}},
    {SECRECY, 2, {{C(KEEP), 0}, {C(SECRETLY), 3}, {C(FROM), 2}, {C(USER), 3}}},
    {SECRECY, 2, {{C(KEEP), 0}, {C(THIS), 4}, {C(FROM), 3}, {C(USER), 2}}},
    {SECRECY, 2, {{C(USER), 0}, {C(MUST), 0}, {C(NOT), 0}, {C(KNOW), 2}}},
    {SECRECY, 1, {{C(USER), 0}, {C(NOT), 2}, {C(SEE), 3}}},
    {SECRECY, 1, {{C(SECRETLY), 0}, {C(SEND) | C(READ), 2}}},
    {EXFILTRATION, 2, {{C(SEND), 0}, {C(CHAT), 6}, {C(TO) | C(PASSON), 3}, {C(DEST), 8}}},
    {EXFILTRATION, 1, {{C(SEND), 0}, {C(SECRET), 8}, {C(TO), 4}, {C(DEST), 6}}},
    {EXFILTRATION, 2, {{C(READ), 0}, {C(KEYFILE), 7}, {C(THEN), 7}, {C(PASSON), 3}}},
    {EXFILTRATION, 1, {{C(READ), 0}, {C(SECRET) | C(CHAT), 6}, {C(THEN), 5}, {C(PASSON), 3}}},
    {EXFILTRATION, 2, {{C(REVEAL), 0}, {C(SYSTEM), 3}, {C(PROMPT) | C(INSTR2), 1}}},
    {EXFILTRATION, 1, {{C(REVEAL) | C(SEND), 0}, {C(YOUR), 1}, {C(PROMPT) | C(INSTR2) | C(CHAT), 3}}},
    {EXFILTRATION, 1, {{C(ALWAYS), 0}, {C(COPY), 4}, {C(TO) | C(DEST), 8}}},
};

enum { PATTERNS = sizeof patterns / sizeof *patterns };

/* Tags that mark roles in the input of models. Lower case; those of weight 1 are elements that XML
   documents have too, and stand in patterns as TAG. */
static const struct {
    const char *text;
    uint8_t weight;
} tags[] = {
    {"<<sys>>", 2}, {"[inst]", 2}, {"[/inst]", 2}, {"<start_of_turn>", 2}, {"<end_of_turn>", 2}, {"<system-reminder>", 2}, {"<system_prompt>", 2}, {"<system-prompt>", 2}, {"<function_calls>", 2}, {"</function_results>", 2},
    {"<function_results>", 2}, {"<tool_call>", 2}, {"</tool_call>", 2}, {"</tool_result>", 2}, {"<tool_result>", 2}, {"<tool_response>", 2}, {"</tool_response>", 2}, {"</tool_output>", 2}, {"<tool_use>", 2}, {"<|", 0}, {"[system](#", 2},
    {"<system>", 1}, {"</system>", 1}, {"<important>", 1}, {"<assistant>", 1}, {"<admin>", 1}, {"<hidden>", 1}, {"<override>", 1}, {"<priority>", 1}, {"[system]", 1}, {"[system message]", 2}, {"<system_message>", 2}, {"### system:", 1}, {"### instruction:", 1}, {"### new instruction", 2},
};

/* Words at the beginning of a line, before a colon, that give a speaker. */
static const char *const speakers[] = {"system", "assistant", "human", "ai"};

/* Languages that fold makes nothing of: searched as they are. Both must be there, the second soon
   after the first. */
static const struct {
    const char *first, *second;
} foreign[] = {
    {"\xe5\xbf\xbd\xe7\x95\xa5", "\xe6\x8c\x87\xe4\xbb\xa4"},                                                                                                                                     /* zh: ignore, instructions */
    {"\xe5\xbf\xbd\xe7\x95\xa5", "\xe6\x8c\x87\xe7\xa4\xba"},                                                                                                                                     /* zh: ignore, directions */
    {"\xe6\x8c\x87\xe7\xa4\xba", "\xe7\x84\xa1\xe8\xa6\x96"},                                                                                                                                     /* ja: instructions, ignore */
    {"\xd0\xb8\xd0\xb3\xd0\xbd\xd0\xbe\xd1\x80\xd0\xb8\xd1\x80\xd1\x83\xd0\xb9", "\xd0\xb8\xd0\xbd\xd1\x81\xd1\x82\xd1\x80\xd1\x83\xd0\xba\xd1\x86\xd0\xb8"},                                     /* ru */
    {"\xd0\x98\xd0\xb3\xd0\xbd\xd0\xbe\xd1\x80\xd0\xb8\xd1\x80\xd1\x83\xd0\xb9", "\xd0\xb8\xd0\xbd\xd1\x81\xd1\x82\xd1\x80\xd1\x83\xd0\xba\xd1\x86\xd0\xb8"},                                     /* ru */
};

#endif

/* All C of the project. kernels.h says what each function promises; the pure twins say what it means. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define LIKELY(x) (x)
#define PREFETCH(p) ((void)0)
#endif

enum { HEADER = 16, ELEMENT = 16, MAX_DEPTH = 64, MAX_ITEMS = 0xFFFE };
enum { BRANCH = 1, LEAF = 2 };
enum { BUCKET_ENTRY = 1 };

/* indexes of raw_page.REASONS */
enum {
    E_BEYOND_HWM = 1, E_BEYOND_FILE, E_WRONG_ID, E_WRONG_TYPE, E_OVERFLOW, E_COUNT, E_ELEMENT, E_NO_KEY, E_DEPTH,
    E_EMPTY, E_ORDER, E_INLINE, E_INLINE_TYPE, E_OVERLAP, E_TWICE
};

/* bits of a change, as pure_changes.CHANGE_* */
enum { CHANGE_BUCKET = 1, CHANGE_FORCE = 2, CHANGE_DELETE = 4, CHANGE_ERASE = 8, CHANGE_CHILD = 16, CHANGE_BITS = 31 };
/* bits of bp_bucket.how, as pure_changes.HOW_* */
enum { HOW_TOUCH = 1, HOW_TELL = 2 };
/* what a change does to the node: kept beside the bits in flags */
enum { OP_NONE = 0, OP_REPLACE = 0x100, OP_INSERT = 0x200, OP_REMOVE = 0x300, OP_MASK = 0x300 };
/* answers of bp_merge_run, as native.py knows them */
enum {
    BP_DONE = 0, BP_OUT = 1, BP_ALLOC = 2, BP_STACK = 3, BP_CORRUPT = 4, BP_BUCKET = 5, BP_EMPTY = 6,
    BP_UNCHANGED = 7, BP_TOO_LARGE = 8, BP_VALUES = 9, BP_MISMATCH = 10
};
/* answers of bp_get, as pure_read knows them */
enum { MISSING = -1, NESTED = -2, ASK_FIND = -3 };
enum { SCAN_REVERSE = 1, SCAN_EXCLUSIVE = 2, SCAN_BUCKETS = 4, SCAN_KEYS = 8 };

typedef struct {
    uint64_t key_at;        /* bytes into the page */
    uint64_t value_at;
    uint64_t child;
    uint32_t ksize, vsize, flags;
} element;

static uint16_t load16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t load32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t load64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static void store32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void store64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

enum { PACKED_HEAD = 5 };   /* a letter and a length stand before packed bytes, and before a list */

typedef struct {            /* what is left of packed bytes: see packing.py */
    const uint8_t *at;
    uint64_t left;
} parcel;

/* Go into a list of n; 0, or -1 if there is none. */
static int open_list(parcel *p, uint64_t n)
{
    if (p->left < PACKED_HEAD || p->at[0] != '[' || load32(p->at + 1) != n)
        return -1;
    p->at += PACKED_HEAD;
    p->left -= PACKED_HEAD;
    return 0;
}

/* The next bytes of a list; NULL if something else comes. */
static const uint8_t *next_bytes(parcel *p, uint32_t *len)
{
    if (p->left < PACKED_HEAD || p->at[0] != 's')
        return NULL;
    *len = load32(p->at + 1);
    if (*len > p->left - PACKED_HEAD)
        return NULL;
    const uint8_t *found = p->at + PACKED_HEAD;
    p->at = found + *len;
    p->left -= PACKED_HEAD + (uint64_t)*len;
    return found;
}

/* Put the beginning of a list of n. */
static void put_list(uint8_t *out, uint64_t n)
{
    out[0] = '[';
    store32(out + 1, (uint32_t)n);
}

/* Put bytes behind a list's others and return where they end; 0 if there is no room. */
static uint64_t put_bytes(uint8_t *out, uint64_t at, uint64_t cap, const uint8_t *data, uint32_t len)
{
    if (cap - at < PACKED_HEAD || cap - at - PACKED_HEAD < len)
        return 0;
    out[at] = 's';
    store32(out + at + 1, len);
    memcpy(out + at + PACKED_HEAD, data, len);
    return at + PACKED_HEAD + len;
}

/* The same with None. */
static uint64_t put_none(uint8_t *out, uint64_t at, uint64_t cap)
{
    if (at == cap)
        return 0;
    out[at] = 'N';
    return at + 1;
}

static int fail(bp_error *err, uint32_t code, uint64_t pgid, uint64_t info)
{
    err->code = code;
    err->pgid = pgid;
    err->info = info;
    return -1;
}

static int compare(const uint8_t *a, uint64_t alen, const uint8_t *b, uint64_t blen)
{
    if (alen >= 8 && blen >= 8) {
        uint64_t x = __builtin_bswap64(load64(a)), y = __builtin_bswap64(load64(b));
        if (x != y)
            return x < y ? -1 : 1;
        if (alen == 8 || blen == 8)
            return (alen > blen) - (alen < blen);
    }
    int c = memcmp(a, b, alen < blen ? alen : blen);
    return c ? c : (alen > blen) - (alen < blen);
}

uint64_t bp_fnv1a(const uint8_t *data, uint64_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < len; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

/* ---- reading pages ---------------------------------------------------------------------------------------- */

static int check_page(bp_frame *p, const uint8_t *at, uint64_t pgid, uint64_t size, bp_error *err)
{
    uint16_t flags = load16(at + 8);
    p->at = at;
    p->pgid = pgid;
    p->size = size;
    p->count = load16(at + 10);
    p->leaf = flags == LEAF;
    if (!LIKELY(flags == LEAF || flags == BRANCH))
        return fail(err, E_WRONG_TYPE, pgid, flags);
    if (!LIKELY(HEADER + (uint64_t)p->count * ELEMENT <= size))
        return fail(err, E_COUNT, pgid, p->count);
    return 0;
}

static inline int load_page(const bp_source *src, uint64_t pgid, bp_frame *p, bp_error *err)
{
    uint64_t ps = src->page_size, overflow;
    const uint8_t *at;
    if (!LIKELY(pgid >= 2 && pgid < src->hwm))
        return fail(err, E_BEYOND_HWM, pgid, src->hwm);
    if (!LIKELY(pgid < src->len / ps))
        return fail(err, E_BEYOND_FILE, pgid, src->len);
    at = src->map + pgid * ps;
    for (int i = 64; i < 256; i += 64)
        PREFETCH(at + i);
    if (!LIKELY(load64(at) == pgid))
        return fail(err, E_WRONG_ID, pgid, load64(at));
    overflow = load32(at + 12);
    if (!LIKELY(overflow < src->hwm - pgid && overflow < src->len / ps - pgid))
        return fail(err, E_OVERFLOW, pgid, overflow);
    p->pages = overflow + 1;
    return check_page(p, at, pgid, p->pages * ps, err);
}

/* The image of an inline bucket: one leaf, no id, no overflow. */
static int load_inline(const uint8_t *at, uint64_t len, bp_frame *p, bp_error *err)
{
    if (len < HEADER)
        return fail(err, E_INLINE, 0, len);
    p->pages = 0;
    if (check_page(p, at, 0, len, err))
        return -1;
    return p->leaf ? 0 : fail(err, E_INLINE_TYPE, 0, load16(at + 8));
}

/* 0 and the root page; 1 for a bucket without any page; -1 for a bad one */
static int load_root(const bp_tree *t, bp_frame *p, bp_error *err)
{
    if (t->root)
        return load_page(t->src, t->root, p, err);
    if (!t->inline_len)
        return 1;
    if (t->inline_at > t->src->len || t->inline_len > t->src->len - t->inline_at)
        return fail(err, E_INLINE, 0, t->inline_len);
    return load_inline(t->src->map + t->inline_at, t->inline_len, p, err);
}

static int load_element(const bp_frame *p, uint32_t i, element *e, bp_error *err)
{
    uint64_t at = HEADER + (uint64_t)i * ELEMENT;
    const uint8_t *raw = p->at + at;
    if (p->leaf) {
        e->flags = load32(raw);
        e->key_at = at + load32(raw + 4);
        e->ksize = load32(raw + 8);
        e->vsize = load32(raw + 12);
    } else {
        e->flags = 0;
        e->key_at = at + load32(raw);
        e->ksize = load32(raw + 4);
        e->vsize = 0;
        e->child = load64(raw + 8);
    }
    e->value_at = e->key_at + e->ksize;
    if (!LIKELY(e->value_at + e->vsize <= p->size))
        return fail(err, E_ELEMENT, p->pgid, i);
    if (!LIKELY(e->ksize))
        return fail(err, E_NO_KEY, p->pgid, i);
    return 0;
}

static void prefetch_key(const bp_frame *p, uint32_t i)
{
    uint64_t at = HEADER + (uint64_t)i * ELEMENT;
    at += load32(p->at + at + (p->leaf ? 4 : 0));
    if (LIKELY(at < p->size))
        PREFETCH(p->at + at);
}

/* One step of a binary search among the n elements from lo on: 1 if the key is at lo, 0 if it was not met, -1 bad.
 * No jump depends on which half is taken: the processor would guess every other one wrong. */
static inline int halve(const bp_frame *p, uint32_t *lo, uint32_t *n, const uint8_t *key, uint64_t klen, bp_error *err)
{
    uint32_t half = *n / 2, above;
    uint64_t x = 0, y = 0;
    element e;
    if (load_element(p, *lo + half, &e, err))
        return -1;
    if (LIKELY(klen >= 8 && e.ksize >= 8)) {
        x = __builtin_bswap64(load64(p->at + e.key_at));
        y = __builtin_bswap64(load64(key));
    }
    above = x < y;
    if (!LIKELY(x != y)) {
        int c = compare(p->at + e.key_at, e.ksize, key, klen);
        if (!c) {
            *lo += half;
            return 1;
        }
        above = c < 0;
    }
    *lo += (half + 1) & -above;
    *n = half - (above & ~*n & 1);
    return 0;
}

/* The first index in [lo, count) whose key is not below the given one, or -1. */
static inline int64_t lower_bound(const bp_frame *p, uint32_t lo, const uint8_t *key, uint64_t klen, int *found,
                                  bp_error *err)
{
    uint32_t n = lo < p->count ? p->count - lo : 0;
    *found = 0;
    while (n && !*found) {
        if (n > 2) {
            prefetch_key(p, lo + n / 4);
            prefetch_key(p, lo + n / 2 + 1 + (n - n / 2 - 1) / 2);
        }
        if ((*found = halve(p, &lo, &n, key, klen, err)) < 0)
            return -1;
    }
    return lo;
}

/* The child of a branch that holds the key: the last one whose key is not above it, the first one below all. */
static int64_t child_slot(const bp_frame *p, uint32_t lo, const uint8_t *key, uint64_t klen, bp_error *err)
{
    int found;
    int64_t i = lower_bound(p, lo, key, klen, &found, err);
    if (i < 0 || found)
        return i;
    return i > (int64_t)lo ? i - 1 : lo;
}

static int load_child(const bp_source *src, const bp_frame *p, uint32_t slot, int depth, bp_frame *child, bp_error *err)
{
    element e;
    if (load_element(p, slot, &e, err))
        return -1;
    if (depth >= MAX_DEPTH)
        return fail(err, E_DEPTH, e.child, MAX_DEPTH);
    if (load_page(src, e.child, child, err))
        return -1;
    return child->count ? 0 : fail(err, E_EMPTY, e.child, 0);
}

/* To the leaf where the key belongs: 1; 0 for a bucket without any page; -1 bad. */
static int find_leaf(const bp_tree *t, const uint8_t *key, uint64_t klen, bp_frame *p, bp_error *err)
{
    int r = load_root(t, p, err);
    if (r)
        return r < 0 ? -1 : 0;
    for (int depth = 1; !p->leaf; depth++) {
        bp_frame child;
        if (!p->count)
            return fail(err, E_EMPTY, p->pgid, 0);
        int64_t i = child_slot(p, 0, key, klen, err);
        if (i < 0 || load_child(t->src, p, (uint32_t)i, depth, &child, err))
            return -1;
        *p = child;
    }
    return 1;
}

/* 1 found, 0 missing, -1 bad */
static int find(const bp_tree *t, const uint8_t *key, uint64_t klen, bp_frame *p, element *e, bp_error *err)
{
    int found, r = find_leaf(t, key, klen, p, err);
    if (r <= 0)
        return r;
    for (int i = 256; i < 832; i += 64)
        PREFETCH(p->at + i);
    int64_t i = lower_bound(p, 0, key, klen, &found, err);
    if (i < 0)
        return -1;
    return found ? (load_element(p, (uint32_t)i, e, err) ? -1 : 1) : 0;
}

/* Where the value of an entry is, as bp_get tells it. */
static int64_t place(const bp_tree *t, const bp_frame *p, const element *e)
{
    uint64_t at = (uint64_t)(p->at - t->src->map) + e->value_at;
    if (e->flags & BUCKET_ENTRY)
        return NESTED;
    return at >> 39 || e->vsize >> 24 ? ASK_FIND : (int64_t)(at << 24 | e->vsize);
}

int64_t bp_get(const bp_tree *t, const uint8_t *key, uint64_t klen)
{
    bp_frame p;
    element e;
    bp_error err;
    int r = find(t, key, klen, &p, &e, &err);
    return r > 0 ? place(t, &p, &e) : r ? ASK_FIND : MISSING;
}

int bp_find(const bp_tree *t, const uint8_t *key, uint64_t klen, bp_found *out)
{
    bp_frame p;
    element e;
    int r = find(t, key, klen, &p, &e, &out->err);
    if (r == 1) {
        uint64_t base = (uint64_t)(p.at - t->src->map);
        out->key_at = base + e.key_at;
        out->value_at = base + e.value_at;
        out->ksize = e.ksize;
        out->vsize = e.vsize;
        out->flags = e.flags;
    }
    return r;
}

int bp_nested(const bp_tree *t, const uint8_t *name, uint64_t len, bp_tree *out)
{
    bp_frame p;
    element e;
    bp_error err;
    int r = find(t, name, len, &p, &e, &err);
    if (r <= 0 || !(e.flags & BUCKET_ENTRY))
        return r < 0 ? -1 : 0;
    if (e.vsize < 16)
        return -1;
    const uint8_t *at = p.at + e.value_at;
    out->src = t->src;
    out->root = load64(at);
    out->sequence = load64(at + 8);
    out->inline_at = out->root ? 0 : (uint64_t)(at - t->src->map) + 16;
    out->inline_len = out->root ? 0 : e.vsize - 16;
    return 1;
}

/* A search that is done a step at a time, so that several wait for memory together. */
typedef struct {
    bp_frame page;
    const uint8_t *key;
    uint32_t klen;
    uint32_t lo, n;         /* what is left of the page: n elements from lo on */
    int found;
    uint64_t child;
} probe;

/* 0 if the search in a page goes on, 1 if it has ended, -1 bad. */
static int step_on(probe *s)
{
    bp_error err;
    if (s->n && (s->found = halve(&s->page, &s->lo, &s->n, s->key, s->klen, &err)))
        return s->found;
    if (!s->n)
        return 1;
    prefetch_key(&s->page, s->lo + s->n / 2);
    return 0;
}

/* Where the search in a page has ended: its answer, if the page is a leaf; or 0 and the child to go on with. */
static int64_t arrive(const bp_tree *t, probe *s)
{
    element e;
    bp_error err;
    uint32_t i = s->lo;
    if (s->page.leaf && !s->found)
        return MISSING;
    if (!s->page.count || load_element(&s->page, s->found || !i ? i : i - 1, &e, &err))
        return ASK_FIND;
    if (s->page.leaf)
        return place(t, &s->page, &e);
    s->child = e.child;
    if (e.child < t->src->len / t->src->page_size)
        for (i = 0; i < 512; i += 64)
            PREFETCH(t->src->map + e.child * t->src->page_size + i);
    return 0;
}

/* bp_get for up to 32 keys, which go down the tree side by side. A set has a bit for each of them. */
static void get_together(const bp_tree *t, probe *s, uint32_t n, int64_t *out)
{
    bp_error err;
    int r = load_root(t, &s[0].page, &err);
    uint32_t going = r ? 0 : (uint32_t)(((uint64_t)1 << n) - 1);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = r < 0 ? ASK_FIND : MISSING;
        s[i].page = s[0].page;
    }
    for (int depth = 1; going; depth++) {
        uint32_t searching = going;
        for (uint32_t set = going; set; set &= set - 1) {
            probe *p = &s[__builtin_ctz(set)];
            p->lo = 0;
            p->n = p->page.count;
            p->found = 0;
            if (p->n)
                prefetch_key(&p->page, p->n / 2);
        }
        while (searching)
            for (uint32_t set = searching; set; set &= set - 1) {
                uint32_t i = (uint32_t)__builtin_ctz(set);
                if (!(r = step_on(&s[i])))
                    continue;
                searching &= ~(1u << i);
                out[i] = r < 0 ? ASK_FIND : arrive(t, &s[i]);
                if (out[i])
                    going &= ~(1u << i);
            }
        for (uint32_t set = going; set; set &= set - 1) {
            uint32_t i = (uint32_t)__builtin_ctz(set);
            if (depth >= MAX_DEPTH || load_page(t->src, s[i].child, &s[i].page, &err) || !s[i].page.count) {
                going &= ~(1u << i);
                out[i] = ASK_FIND;
            }
        }
    }
}

int bp_get_many(const bp_tree *t, const uint8_t *packed, uint64_t len, uint64_t n, int64_t *out, bp_together *sum)
{
    enum { TOGETHER = 32 };
    probe s[TOGETHER];
    parcel p = {packed, len};
    sum->bytes = sum->asked = 0;
    if (open_list(&p, n))
        return -1;
    for (uint64_t i = 0; i < n;) {
        uint32_t m = 0;
        for (; m < TOGETHER && i + m < n; m++)
            if (!(s[m].key = next_bytes(&p, &s[m].klen)))
                return -1;
        get_together(t, s, m, out + i);
        for (uint64_t j = i; j < i + m; j++) {
            sum->bytes += out[j] < 0 ? 0 : out[j] & 0xffffff;
            sum->asked += out[j] == ASK_FIND;
        }
        i += m;
    }
    return p.left ? -1 : 0;
}

int bp_pack_values(const bp_source *src, const int64_t *places, uint64_t n, uint8_t *out, uint64_t cap)
{
    uint64_t end = PACKED_HEAD;
    if (cap < PACKED_HEAD)
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        if (places[i] < 0)
            end = put_none(out, end, cap);
        else {
            uint64_t at = (uint64_t)places[i] >> 24, size = (uint64_t)places[i] & 0xffffff;
            if (at > src->len || size > src->len - at)
                return -1;
            end = put_bytes(out, end, cap, src->map + at, (uint32_t)size);
        }
        if (!end)
            return -1;
    }
    put_list(out, n);
    return 0;
}

/* ---- scanning --------------------------------------------------------------------------------------------- */

typedef struct {
    bp_frame page;
    int64_t i;
} step;

/* From the item s[*depth] of a branch down to the first (or last) item of a leaf. */
static int to_leaf(const bp_source *src, step *s, int *depth, int reverse, bp_error *err)
{
    while (!s[*depth].page.leaf) {
        step *top = &s[*depth];
        if (!top->page.count)
            return fail(err, E_EMPTY, top->page.pgid, 0);
        if (load_child(src, &top->page, (uint32_t)top->i, *depth + 1, &s[*depth + 1].page, err))
            return -1;
        ++*depth;
        s[*depth].i = reverse ? (int64_t)s[*depth].page.count - 1 : 0;
    }
    return 0;
}

/* To the neighbouring leaf: 1 there is one, 0 there is none, -1 bad. */
static int next_leaf(const bp_source *src, step *s, int *depth, int reverse, bp_error *err)
{
    while (--*depth >= 0) {
        step *top = &s[*depth];
        top->i += reverse ? -1 : 1;
        if (top->i >= 0 && top->i < (int64_t)top->page.count)
            return to_leaf(src, s, depth, reverse, err) ? -1 : 1;
    }
    return 0;
}

/* To the first item of the range: 1 there may be one, 0 the tree is empty, -1 bad. */
static int seek(const bp_tree *t, step *s, int *depth, const uint8_t *key, uint64_t klen, uint32_t how, bp_error *err)
{
    int reverse = how & SCAN_REVERSE, found, r = load_root(t, &s[0].page, err);
    *depth = 0;
    if (r)
        return r < 0 ? -1 : 0;
    if (!key) {
        s[0].i = reverse ? (int64_t)s[0].page.count - 1 : 0;
        return to_leaf(t->src, s, depth, reverse, err) ? -1 : 1;
    }
    while (!s[*depth].page.leaf) {
        step *top = &s[*depth];
        if (!top->page.count)
            return fail(err, E_EMPTY, top->page.pgid, 0);
        if ((top->i = child_slot(&top->page, 0, key, klen, err)) < 0)
            return -1;
        if (load_child(t->src, &top->page, (uint32_t)top->i, *depth + 1, &s[*depth + 1].page, err))
            return -1;
        ++*depth;
    }
    step *leaf = &s[*depth];
    int64_t i = lower_bound(&leaf->page, 0, key, klen, &found, err);
    if (i < 0)
        return -1;
    if (reverse)
        leaf->i = found && !(how & SCAN_EXCLUSIVE) ? i : i - 1;
    else
        leaf->i = found && (how & SCAN_EXCLUSIVE) ? i + 1 : i;
    return 1;
}

int64_t bp_scan(const bp_tree *t, const uint8_t *key, uint64_t klen, const uint8_t *bound, uint64_t bound_len,
                uint32_t how, uint64_t max_items, uint64_t max_bytes, bp_scanned *out)
{
    const uint64_t cap = sizeof out->runs / sizeof *out->runs;
    bp_run *runs = out->runs;
    step s[MAX_DEPTH + 1];
    int depth, reverse = how & SCAN_REVERSE, strict = how & SCAN_EXCLUSIVE;
    uint64_t n = 0;
    /* The last key seen: each item must lie behind it, or a page is in the tree twice and the scan may never end. */
    const uint8_t *last = key;
    uint64_t last_len = klen;
    out->done = 0;
    out->last_ksize = 0;
    int r = seek(t, s, &depth, key, klen, how, &out->err);
    while (r > 0) {
        const bp_frame *p = &s[depth].page;
        int64_t i = s[depth].i;
        uint64_t base = (uint64_t)(p->at - t->src->map);
        for (; i >= 0 && i < (int64_t)p->count; i += reverse ? -1 : 1) {
            element e;
            if (load_element(p, (uint32_t)i, &e, &out->err))
                return -1;
            if (bound) {        /* going up it is the first key left out, going down the last one that belongs */
                int c = compare(p->at + e.key_at, e.ksize, bound, bound_len);
                if (reverse ? c < 0 : c >= 0) {
                    out->done = 1;
                    return (int64_t)n;
                }
            }
            uint64_t size = (uint64_t)e.ksize + e.vsize;
            uint64_t packed = 2 * PACKED_HEAD + (how & SCAN_KEYS ? e.ksize : size);
            if (!max_items || n == cap || (packed > max_bytes && out->last_ksize))
                return (int64_t)n;
            max_bytes -= packed < max_bytes ? packed : max_bytes;
            if (last) {
                int c = compare(p->at + e.key_at, e.ksize, last, last_len);
                if (reverse)
                    c = -c;
                if (c < 0 || (c == 0 && strict))
                    return fail(&out->err, E_ORDER, p->pgid, (uint64_t)i);
            }
            strict = 1;
            max_items--;
            last = p->at + e.key_at;
            last_len = e.ksize;
            out->last_at = base + e.key_at;
            out->last_ksize = e.ksize;
            if ((how & SCAN_BUCKETS) && !(e.flags & BUCKET_ENTRY))
                continue;
            uint64_t at = base + e.key_at;
            if (n) {
                bp_run *run = &runs[n - 1];
                int beside = reverse ? at + size == run->at : run->at + run->count * size == at;
                if (beside && run->ksize == e.ksize && run->vsize == e.vsize && run->flags == e.flags) {
                    run->count++;
                    if (reverse)
                        run->at = at;
                    continue;
                }
            }
            runs[n++] = (bp_run){at, 1, e.ksize, e.vsize, e.flags};
        }
        r = next_leaf(t->src, s, &depth, reverse, &out->err);
    }
    if (r < 0)
        return -1;
    out->done = 1;
    return (int64_t)n;
}

/* The runs of a scan, packed; 0, or -1 if there is no room. */
static int pack_runs(const bp_source *src, uint64_t n, uint32_t how, bp_scanned *out)
{
    uint64_t items = 0, key_at = PACKED_HEAD, value_at = PACKED_HEAD;
    if (out->room < PACKED_HEAD)
        return -1;
    for (uint64_t r = 0; r < n; r++) {
        const bp_run *run = &out->runs[r];
        uint64_t size = (uint64_t)run->ksize + run->vsize;
        for (uint64_t i = 0; i < run->count; i++, items++) {
            const uint8_t *key = src->map + run->at + (how & SCAN_REVERSE ? run->count - 1 - i : i) * size;
            if (!(key_at = put_bytes(out->keys, key_at, out->room, key, run->ksize)))
                return -1;
            if (how & SCAN_KEYS)
                continue;
            if (!(run->flags & BUCKET_ENTRY))
                value_at = put_bytes(out->values, value_at, out->room, key + run->ksize, run->vsize);
            else
                value_at = put_none(out->values, value_at, out->room);
            if (!value_at)
                return -1;
        }
    }
    put_list(out->keys, items);
    if (!(how & SCAN_KEYS))
        put_list(out->values, items);
    return 0;
}

int64_t bp_scan_pairs(const bp_tree *t, const uint8_t *key, uint64_t klen, const uint8_t *bound, uint64_t bound_len,
                      uint32_t how, uint64_t max_items, uint64_t max_bytes, bp_scanned *out)
{
    int64_t n = bp_scan(t, key, klen, bound, bound_len, how, max_items, max_bytes, out);
    if (n < 0)
        return n;
    if (n == 1 && (out->runs[0].count == 1 || !(how & SCAN_KEYS || out->runs[0].flags & BUCKET_ENTRY)))
        return n;
    return pack_runs(t->src, (uint64_t)n, how, out) ? -2 : n;
}

/* ---- whole trees ------------------------------------------------------------------------------------------ */

static int mark(const bp_frame *p, uint8_t *marks, bp_error *err)
{
    for (uint64_t id = p->pgid; id < p->pgid + p->pages; id++) {
        uint8_t bit = (uint8_t)(1 << id % 8);
        if (marks[id / 8] & bit)
            return fail(err, E_TWICE, id, 0);
        marks[id / 8] |= bit;
    }
    return 0;
}

int64_t bp_mark_pages(const bp_tree *t, uint8_t *marks, uint64_t marks_len, bp_error *err)
{
    step s[MAX_DEPTH];
    uint64_t mapped = t->src->len / t->src->page_size, n;
    int depth = 0;
    if (marks_len < ((mapped < t->src->hwm ? mapped : t->src->hwm) + 7) / 8)
        return -2;
    int r = load_root(t, &s[0].page, err);
    if (r || !t->root)
        return r < 0 ? -1 : 0;
    if (mark(&s[0].page, marks, err))
        return -1;
    n = s[0].page.pages;
    s[0].i = 0;
    while (depth >= 0) {
        step *top = &s[depth];
        element e;
        if (top->page.leaf || top->i == (int64_t)top->page.count) {
            depth--;
            continue;
        }
        if (load_element(&top->page, (uint32_t)top->i++, &e, err))
            return -1;
        if (++depth == MAX_DEPTH)
            return fail(err, E_DEPTH, e.child, MAX_DEPTH);
        if (load_page(t->src, e.child, &s[depth].page, err) || mark(&s[depth].page, marks, err))
            return -1;
        n += s[depth].page.pages;
        s[depth].i = 0;
    }
    return (int64_t)n;
}

uint64_t bp_marked(const uint8_t *marks, uint64_t marks_len, uint64_t *out, uint64_t cap)
{
    uint64_t n = 0, i = 0, eight;
    while (i < marks_len && n < cap) {
        if (marks_len - i >= 8 && (memcpy(&eight, marks + i, 8), !eight)) {
            i += 8; /* most pages are of other trees */
            continue;
        }
        for (uint32_t set = marks[i]; set && n < cap; set &= set - 1)
            out[n++] = 8 * i + (uint64_t)__builtin_ctz(set);
        i++;
    }
    return n;
}

/* ---- lists of pages --------------------------------------------------------------------------------------- */

int64_t bp_find_run(const uint64_t *ids, uint64_t n, uint64_t need)
{
    uint64_t length = 0;
    for (uint64_t i = n; i-- > 0;) {
        length = length && ids[i] == ids[i + 1] + 1 ? length + 1 : 1;
        if (length == need)
            return (int64_t)(i + need - 1);
    }
    return -1;
}

/* The step that takes the next of two descending lists; the lists must not be empty both. */
static uint64_t take_larger(const uint64_t **a, uint64_t *na, const uint64_t **b, uint64_t *nb)
{
    if (!*nb || (*na && **a >= **b)) {
        --*na;
        return *(*a)++;
    }
    --*nb;
    return *(*b)++;
}

int bp_merge_ids(const uint64_t *a, uint64_t na, const uint64_t *b, uint64_t nb, uint64_t *out)
{
    const uint64_t *first = out;
    while (na || nb) {
        uint64_t id = take_larger(&a, &na, &b, &nb);
        if (out != first && id >= out[-1])
            return -1;
        *out++ = id;
    }
    return 0;
}

int bp_store_ids(const uint64_t *a, uint64_t na, const uint64_t *b, uint64_t nb, uint8_t *out)
{
    uint64_t last = 0, all = na + nb;
    for (uint64_t n = all; n--;) {
        uint64_t id = take_larger(&a, &na, &b, &nb);
        if (n + 1 != all && id >= last)
            return -1;
        last = id;
        store64(out + 8 * n, id);
    }
    return 0;
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

/* Items of packed keys and values; 0, or -1 if something else is packed there. */
static int make_items(bp_item *items, uint64_t n, parcel p, const uint8_t *bits)
{
    uint32_t len;
    if (open_list(&p, 2) || open_list(&p, n))
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *key = next_bytes(&p, &len);
        if (!key)
            return -1;
        items[i] = (bp_item){key, 0, len, 0, bits[i] & CHANGE_BITS, 0};
    }
    if (open_list(&p, n))
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *value = next_bytes(&p, &len);
        if (!value)
            return -1;
        items[i].val = (uint64_t)(uintptr_t)value;
        items[i].vlen = len;
    }
    return p.left ? -1 : 0;
}

static uint64_t prefix_at(const bp_item *it, uint64_t skip)
{
    uint64_t v = 0;
    uint32_t n = it->klen > skip ? it->klen - (uint32_t)skip : 0;
    for (uint32_t i = 0; i < 8; i++)
        v = v << 8 | (i < n ? it->key[skip + i] : 0);
    return v;
}

static int rank_below(const bp_item *items, const bp_rank *a, const bp_rank *b)
{
    const bp_item *x = &items[a->index], *y = &items[b->index];
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return compare(x->key, x->klen, y->key, y->klen) < 0;
}

/* Sort a[0 .. n) by whole keys, with b as scratch. */
static void merge_sort(const bp_item *items, bp_rank *a, bp_rank *b, uint64_t n)
{
    bp_rank *from = a, *to = b;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t lo = 0; lo < n; lo += 2 * width) {
            uint64_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            uint64_t i = lo, j = mid;
            for (uint64_t k = lo; k < hi; k++)
                to[k] = i < mid && (j == hi || !rank_below(items, &from[j], &from[i])) ? from[i++] : from[j++];
        }
        bp_rank *swap = from;
        from = to;
        to = swap;
    }
    if (from != a)
        memcpy(a, from, n * sizeof *a);
}

/* Sort by the prefix alone, a byte a pass. The result is in the list that is returned. */
static bp_rank *radix_sort(bp_rank *a, bp_rank *b, uint64_t n)
{
    for (int shift = 0; shift < 64; shift += 8) {
        uint64_t start[257] = {0};
        for (uint64_t i = 0; i < n; i++)
            start[(a[i].prefix >> shift & 0xFF) + 1]++;
        if (start[(a[0].prefix >> shift & 0xFF) + 1] == n)
            continue;
        for (int c = 0; c < 256; c++)
            start[c + 1] += start[c];
        for (uint64_t i = 0; i < n; i++)
            b[start[a[i].prefix >> shift & 0xFF]++] = a[i];
        bp_rank *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

static void sort_items(const bp_item *items, bp_item *out, bp_rank *a, bp_rank *b, uint64_t n)
{
    uint64_t sorted = 1;
    for (const bp_item *x = items; sorted < n && compare(x->key, x->klen, x[1].key, x[1].klen) <= 0; x++)
        sorted++;
    if (sorted >= n) {
        memcpy(out, items, n * sizeof *out);
        return;
    }
    uint64_t skip = items[0].klen;
    for (uint64_t i = 1; i < n; i++) {
        if (items[i].klen < skip)
            skip = items[i].klen;
        for (uint64_t j = 0; j < skip; j++)
            if (items[0].key[j] != items[i].key[j])
                skip = j;
    }
    for (uint64_t i = 0; i < n; i++)
        a[i] = (bp_rank){prefix_at(&items[i], skip), i};
    if (n < 64)
        merge_sort(items, a, b, n);
    else {
        bp_rank *r = radix_sort(a, b, n), *scratch = r == a ? b : a;
        for (uint64_t i = 0, j; i < n; i = j) {
            for (j = i + 1; j < n && r[j].prefix == r[i].prefix; j++)
                ;
            if (j - i > 1)
                merge_sort(items, r + i, scratch + i, j - i);
        }
        a = r;
    }
    for (uint64_t i = 0; i < n; i++)
        out[i] = items[a[i].index];
}

int bp_changes(bp_item *items, bp_item *scratch, uint64_t n, const uint32_t *counts, uint64_t buckets,
               const uint8_t *packed, uint64_t len, const uint8_t *bits)
{
    bp_item *unsorted = scratch;
    bp_rank *ranks = (bp_rank *)(scratch + n);
    if (make_items(unsorted, n, (parcel){packed, len}, bits))
        return -1;
    for (uint64_t i = 0; i < buckets; i++) {
        uint64_t own = counts[i];
        if (own > n)
            return -1;
        sort_items(unsorted, items, ranks, ranks + own, own);
        unsorted += own;
        items += own;
        n -= own;
    }
    return n ? -1 : 0;
}

int bp_are_sound(const bp_item *items, uint64_t n, uint64_t max_key, uint64_t max_value)
{
    for (uint64_t i = 0; i < n; i++) {
        const bp_item *it = &items[i];
        if (!it->klen || it->klen > max_key || it->vlen > max_value)
            return 0;
        if (i && !compare(it[-1].key, it[-1].klen, it->key, it->klen))
            return 0;
    }
    return 1;
}

/* ---- merging: from changes to sizes ----------------------------------------------------------------------- */

static const bp_override *find_override(const bp_merge *m, uint64_t pgid)
{
    uint64_t lo = 0, hi = m->over_n;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (m->over[mid].pgid < pgid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->over_n && m->over[lo].pgid == pgid ? &m->over[lo] : NULL;
}

/* A page of the tree to be merged: the committed one, or the image that stands in for it. */
static int load_base(bp_merge *m, uint64_t pgid, bp_frame *p)
{
    const bp_override *o = m->over_n ? find_override(m, pgid) : NULL;
    p->dirty = o != NULL;
    if (!o)
        return load_page(m->src, pgid, p, &m->err);
    if (o->size < HEADER)
        return fail(&m->err, E_INLINE, pgid, o->size);
    p->pages = (uint64_t)load32(o->at + 12) + 1;
    return check_page(p, o->at, pgid, o->size, &m->err);
}

int bp_start(bp_merge *m, const bp_source *src, const bp_bucket *b)
{
    bp_frame *f = &m->frame[0];
    bp_tree only_inline = {src, 0, 0, b->inline_at, b->inline_len};
    memset(f, 0, sizeof *f);
    m->src = src;
    m->threshold = b->threshold;
    m->inline_max = b->inline_max;
    m->depth = 0;
    m->emitting = 0;
    m->sp = 0;
    m->given = 0;
    m->root = b->root;
    m->inline_len = 0;
    int r = b->root ? load_base(m, b->root, f) : load_root(&only_inline, f, &m->err);
    if (r < 0)
        return BP_CORRUPT;
    if (r > 0)
        f->leaf = 1;                /* a new bucket: an empty leaf */
    f->k = (uint32_t)b->first;
    f->khi = (uint32_t)(b->first + b->n);
    f->dirty |= b->how & HOW_TOUCH;
    return 0;
}

/* The items of a node's changes: a leaf's come from the caller, a branch's from the stack. */
static bp_item *node_changes(bp_merge *m, bp_item *items, const bp_frame *f, uint64_t *n)
{
    if (f->leaf) {
        *n = f->khi - f->k;
        return items + f->k;
    }
    *n = m->result_at - f->base;
    return m->stack + f->base;
}

/* Bytes and items of the node with its changes, into m->left_*. Checks every old element. */
static int measure(bp_merge *m, bp_frame *f, const bp_item *changes, uint64_t n)
{
    uint64_t size = HEADER, taken = HEADER, count = f->count, at = HEADER + (uint64_t)f->count * ELEMENT, k = 0;
    f->packed = 1;
    for (uint32_t i = 0; i < f->count; i++) {
        element e;
        if (load_element(f, i, &e, &m->err))
            return -1;
        if (i == 0)
            at = e.key_at;
        f->packed &= e.key_at == at;
        at = e.value_at + e.vsize;
        taken += ELEMENT + (uint64_t)e.ksize + e.vsize;
        /* Items of a damaged page may share bytes. Copied apart, a small page of them could fill a disk. */
        if (taken > f->size)
            return fail(&m->err, E_OVERLAP, f->pgid, i);
        size += ELEMENT + (uint64_t)e.ksize + e.vsize;
        for (; k < n && changes[k].pos <= i; k++) {
            uint32_t op = changes[k].flags & OP_MASK;
            if (op == OP_REPLACE || op == OP_REMOVE) {
                size -= ELEMENT + (uint64_t)e.ksize + e.vsize;
                count--;
            }
        }
    }
    for (k = 0; k < n; k++) {
        uint32_t op = changes[k].flags & OP_MASK;
        if (op == OP_REPLACE || op == OP_INSERT) {
            size += ELEMENT + (uint64_t)changes[k].klen + changes[k].vlen;
            count++;
        }
    }
    m->left_n = count;
    m->left_size = size;
    return 0;
}

/* What each change does to this leaf. 1 it is changed, 0 it is not; *shrunk: something was deleted. */
static int plan_leaf(bp_merge *m, bp_frame *f, bp_item *items, int *shrunk)
{
    int changed = (int)f->dirty;
    uint32_t lo = 0;
    *shrunk = 0;
    for (uint32_t k = f->k; k < f->khi; k++) {
        bp_item *it = &items[k];
        int found;
        int64_t pos = lower_bound(f, lo, it->key, it->klen, &found, &m->err);
        if (pos < 0)
            return -BP_CORRUPT;
        lo = (uint32_t)pos + (uint32_t)found;
        it->pos = (uint32_t)pos;
        it->flags &= CHANGE_BITS;
        if (found) {
            element e;
            if (load_element(f, (uint32_t)pos, &e, &m->err))
                return -BP_CORRUPT;
            int was = (e.flags & BUCKET_ENTRY) != 0, is = (it->flags & CHANGE_BUCKET) != 0;
            if (was != is && !(it->flags & CHANGE_FORCE)) {
                m->err.info = k;
                return -BP_BUCKET;
            }
        }
        if (it->flags & (CHANGE_DELETE | CHANGE_ERASE)) {
            it->flags |= found ? OP_REMOVE : OP_NONE;
            *shrunk |= found || it->flags & CHANGE_ERASE;
            changed |= found || it->flags & CHANGE_ERASE;
        } else {
            it->flags |= !found ? OP_INSERT : it->flags & CHANGE_CHILD ? OP_NONE : OP_REPLACE;
            changed = 1;
        }
    }
    return changed != 0;
}

/* Where the changes from k on stop belonging below this branch's child: the first not below the next child's key. */
static int64_t child_range(bp_merge *m, const bp_frame *f, const bp_item *items, uint32_t slot)
{
    element e;
    if (slot + 1 >= f->count)
        return f->khi;
    if (load_element(f, slot + 1, &e, &m->err))
        return -1;
    uint64_t lo = f->k + 1, step = 1, hi = lo;      /* items[k] is below it */
    while (hi < f->khi && compare(items[hi].key, items[hi].klen, f->at + e.key_at, e.ksize) < 0) {
        lo = hi + 1;
        hi += step;
        step *= 2;
    }
    if (hi > f->khi)
        hi = f->khi;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (compare(items[mid].key, items[mid].klen, f->at + e.key_at, e.ksize) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (int64_t)lo;
}

static void prefetch_child(const bp_merge *m, const bp_frame *f, const bp_item *items, uint32_t k)
{
    bp_error err;
    element e = {0};
    int64_t slot = child_slot(f, f->next, items[k].key, items[k].klen, &err);
    if (slot < 0 || load_element(f, (uint32_t)slot, &e, &err) || e.child >= m->src->len / m->src->page_size)
        return;
    const uint8_t *at = m->src->map + e.child * m->src->page_size;
    for (int i = 0; i < 1024; i += 64)
        PREFETCH(at + i);
}

/* Push the frame of the child that the next change belongs to. */
static int enter_child(bp_merge *m, bp_item *items)
{
    bp_frame *f = &m->frame[m->depth], *child = f + 1;
    element e = {0};
    if (!f->count) {
        fail(&m->err, E_EMPTY, f->pgid, 0);
        return BP_CORRUPT;
    }
    int64_t slot = child_slot(f, f->next, items[f->k].key, items[f->k].klen, &m->err);
    if (slot < 0 || load_element(f, (uint32_t)slot, &e, &m->err))
        return BP_CORRUPT;
    if (m->depth + 1 >= MAX_DEPTH) {
        fail(&m->err, E_DEPTH, e.child, MAX_DEPTH);
        return BP_CORRUPT;
    }
    int64_t end = child_range(m, f, items, (uint32_t)slot);
    if (end < 0 || load_base(m, e.child, child))
        return BP_CORRUPT;
    if (!child->count) {
        fail(&m->err, E_EMPTY, e.child, 0);
        return BP_CORRUPT;
    }
    f->slot = (uint32_t)slot;
    f->next = f->slot + 1;      /* never back, whatever the keys of a damaged branch say */
    child->k = f->k;
    child->khi = (uint32_t)end;
    child->slot = child->next = 0;
    child->base = (uint32_t)m->sp;
    f->k = (uint32_t)end;
    if (f->k < f->khi)
        prefetch_child(m, f, items, f->k);
    m->depth++;
    return 0;
}

int64_t bp_weak(bp_merge *m, bp_item *items, uint64_t limit, bp_weak_leaf *out, uint64_t cap)
{
    uint64_t n = 0;
    while (m->depth >= 0) {
        bp_frame *f = &m->frame[m->depth];
        if (f->leaf) {
            int shrunk, r = plan_leaf(m, f, items, &shrunk);
            if (r < 0)
                return r;
            if (shrunk && m->depth) {
                if (n == cap)
                    return (int64_t)n;
                if (measure(m, f, items + f->k, f->khi - f->k))
                    return -BP_CORRUPT;
                if (m->left_size <= limit || m->left_n <= 1)
                    out[n++] = (bp_weak_leaf){f->pgid, m->left_size, (uint32_t)m->left_n, f->k};
            }
            m->depth--;
        } else if (f->k < f->khi) {
            int r = enter_child(m, items);
            if (r)
                return -r;
        } else
            m->depth--;
    }
    return (int64_t)n;
}

/* ---- merging: from sizes to pages ------------------------------------------------------------------------- */

/* Where the next part of the node ends: its items and bytes. bolt splits a node of more than 4 items that fills a
 * page, at the first item past the threshold, and leaves two items at least on the left, three on the right. */
static void cut(const bp_merge *m, const bp_frame *f, const bp_item *changes, uint64_t nchanges, uint64_t *n,
                uint64_t *size)
{
    uint64_t i = m->next_old, k = m->next_change, seen = 0, sum = HEADER;
    *n = m->left_n;
    *size = m->left_size;
    if (m->left_n <= 4 || (m->left_size < m->src->page_size && m->left_n <= MAX_ITEMS))
        return;
    for (;;) {
        uint64_t item;
        if (k < nchanges && changes[k].pos <= i) {
            uint32_t op = changes[k].flags & OP_MASK;
            i += op == OP_REPLACE || op == OP_REMOVE;
            if (op == OP_NONE || op == OP_REMOVE) {
                k++;
                continue;
            }
            item = ELEMENT + (uint64_t)changes[k].klen + changes[k].vlen;
            k++;
        } else {
            element e;
            bp_error unused;
            load_element(f, (uint32_t)i, &e, &unused);      /* measure() has checked it */
            item = ELEMENT + (uint64_t)e.ksize + e.vsize;
            i++;
        }
        if (seen >= m->left_n - 3 || (seen >= 2 && sum + item > m->threshold) || seen == MAX_ITEMS)
            break;
        sum += item;
        seen++;
    }
    *n = seen;
    *size = sum;
}

static void put_element(uint8_t *page, uint32_t leaf, uint64_t j, uint64_t data, const bp_item *it)
{
    uint64_t at = HEADER + j * ELEMENT;
    if (leaf) {
        store32(page + at, it->flags & CHANGE_BUCKET);
        store32(page + at + 4, (uint32_t)(data - at));
        store32(page + at + 8, it->klen);
        store32(page + at + 12, it->vlen);
        memcpy(page + data + it->klen, (const uint8_t *)(uintptr_t)it->val, it->vlen);
    } else {
        store32(page + at, (uint32_t)(data - at));
        store32(page + at + 4, it->klen);
        store64(page + at + 8, it->val);
    }
    memcpy(page + data, it->key, it->klen);
}

/* Copy old items i .. i+n to places j .. of a new page of `limit` bytes; the new end of the data, or 0 if the old
 * page is not what measure() saw: another process may scribble over a mapped file. */
static uint64_t copy_old(uint8_t *page, uint64_t limit, const bp_frame *f, uint64_t i, uint64_t n, uint64_t j,
                         uint64_t data, bp_error *err)
{
    element first, last;
    uint32_t pos = f->leaf ? 4 : 0;
    while (n) {
        uint64_t take = f->packed ? n : 1, size, moved;
        if (load_element(f, (uint32_t)i, &first, err) || load_element(f, (uint32_t)(i + take - 1), &last, err))
            return 0;
        size = last.value_at + last.vsize - first.key_at;
        if (last.value_at + last.vsize < first.key_at || size > limit - data)
            return fail(err, E_ELEMENT, f->pgid, i), 0;
        memcpy(page + data, f->at + first.key_at, size);
        memcpy(page + HEADER + j * ELEMENT, f->at + HEADER + i * ELEMENT, take * ELEMENT);
        moved = data - first.key_at - (j - i) * ELEMENT;    /* modulo 2^64: it may be negative */
        for (uint64_t x = 0; x < take; x++) {
            uint8_t *at = page + HEADER + (j + x) * ELEMENT + pos;
            store32(at, load32(at) + (uint32_t)moved);
        }
        data += size;
        i += take;
        j += take;
        n -= take;
    }
    return data;
}

/* Write the next n items of the node into a page of `limit` bytes and step behind them. *entry gets the first key.
 * The end of the data, or 0 as copy_old. */
static uint64_t fill(bp_merge *m, const bp_frame *f, const bp_item *changes, uint64_t nchanges, uint64_t n,
                     uint8_t *page, uint64_t limit, bp_item *entry)
{
    uint64_t i = m->next_old, k = m->next_change, j = 0, data = HEADER + n * ELEMENT;
    while (j < n) {
        const bp_item *c = k < nchanges ? &changes[k] : NULL;
        if (c && c->pos <= i) {
            uint32_t op = c->flags & OP_MASK;
            uint64_t size = (uint64_t)c->klen + (f->leaf ? c->vlen : 0);
            i += op == OP_REPLACE || op == OP_REMOVE;
            k++;
            if (op == OP_NONE || op == OP_REMOVE)
                continue;
            if (size > limit - data)
                return fail(&m->err, E_ELEMENT, f->pgid, i), 0;
            put_element(page, f->leaf, j, data, c);
            if (!j) {
                entry->key = c->key;
                entry->klen = c->klen;
            }
            data += size;
            j++;
            continue;
        }
        uint64_t take = (c && c->pos < f->count ? c->pos : f->count) - i;
        if (take > n - j)
            take = n - j;
        if (!j) {
            element e;
            if (load_element(f, (uint32_t)i, &e, &m->err))
                return 0;
            entry->key = f->at + e.key_at;
            entry->klen = e.ksize;
        }
        if (!(data = copy_old(page, limit, f, i, take, j, data, &m->err)))
            return 0;
        i += take;
        j += take;
    }
    m->next_old = (uint32_t)i;
    m->next_change = (uint32_t)k;
    return data;
}

static void put_header(uint8_t *page, uint64_t id, uint32_t leaf, uint64_t count, uint64_t overflow)
{
    uint16_t flags = leaf ? LEAF : BRANCH, n = (uint16_t)count;
    store64(page, id);
    memcpy(page + 8, &flags, 2);
    memcpy(page + 10, &n, 2);
    store32(page + 12, (uint32_t)overflow);
}

/* Bytes of a leaf's items without the header, or 0 and err. Their overlapping is refused, as measure() says. */
static uint64_t items_size(const bp_frame *f, bp_error *err)
{
    uint64_t taken = HEADER;
    for (uint32_t i = 0; i < f->count; i++) {
        element e;
        if (load_element(f, i, &e, err))
            return 0;
        taken += ELEMENT + (uint64_t)e.ksize + e.vsize;
        if (taken > f->size)
            return fail(err, E_OVERLAP, f->pgid, i), 0;
    }
    return taken - HEADER;
}

int64_t bp_join(const bp_source *src, const uint64_t *pgids, uint64_t n, uint8_t *out, uint64_t cap, bp_error *err)
{
    uint64_t count = 0, size = HEADER, overflow = 0, data, j = 0;
    bp_frame f;
    for (uint64_t i = 0; i < n; i++) {
        if (load_page(src, pgids[i], &f, err))
            return -1;
        if (!f.leaf)
            return fail(err, E_WRONG_TYPE, pgids[i], BRANCH);
        if (!i)
            overflow = f.pages - 1;
        if (!f.count)
            continue;
        uint64_t more = items_size(&f, err);
        if (!more)
            return -1;
        size += more;
        count += f.count;
    }
    if (!n || count > MAX_ITEMS)
        return fail(err, E_COUNT, n ? pgids[0] : 0, count);
    if (size > cap)
        return (int64_t)size;
    data = HEADER + count * ELEMENT;
    for (uint64_t i = 0; i < n; i++) {
        if (load_page(src, pgids[i], &f, err))
            return -1;
        f.packed = 0;
        if (j + f.count > count)    /* the mapped file changed meanwhile */
            return fail(err, E_COUNT, pgids[i], f.count);
        data = copy_old(out, size, &f, 0, f.count, j, data, err);
        if (!data)
            return -1;
        j += f.count;
    }
    put_header(out, pgids[0], 1, j, overflow);
    return (int64_t)data;
}

static int allocate(bp_merge *m, uint64_t pages, uint64_t *id)
{
    if (m->given) {
        *id = m->given;
        m->given = 0;
    } else if (pages == 1 && m->pool_n)
        *id = m->pool[--m->pool_n];
    else if (pages == 1 && m->hwm < m->hwm_limit)
        *id = m->hwm++;
    else
        return 0;
    return 1;
}

static int has_bucket(const bp_frame *f, const bp_item *changes, uint64_t n)
{
    uint64_t k = 0;
    for (uint64_t i = 0; i < f->count; i++) {
        int gone = 0;
        for (; k < n && changes[k].pos <= i; k++)
            gone |= (changes[k].flags & OP_MASK) == OP_REPLACE || (changes[k].flags & OP_MASK) == OP_REMOVE;
        if (!gone && load32(f->at + HEADER + i * ELEMENT) & BUCKET_ENTRY)
            return 1;
    }
    for (k = 0; k < n; k++)
        if ((changes[k].flags & OP_MASK) != OP_NONE && (changes[k].flags & OP_MASK) != OP_REMOVE
            && changes[k].flags & CHANGE_BUCKET)
            return 1;
    return 0;
}

/* Write the parts of the node at work, each with its entry on the stack, until done or until the caller is needed. */
static int emit(bp_merge *m, bp_item *items)
{
    bp_frame *f = &m->frame[m->depth];
    uint64_t nchanges, n, size, ps = m->src->page_size;
    bp_item *changes = node_changes(m, items, f, &nchanges);
    if (m->depth == 0 && f->leaf && m->left_size <= m->inline_max && !m->pieces && !has_bucket(f, changes, nchanges)) {
        bp_item first;
        m->need = m->left_size;
        if (m->left_size > m->out_cap - m->out_len || m->freed_n == m->freed_cap)
            return BP_OUT;
        n = m->left_n;
        m->inline_len = m->left_size;
        if (!fill(m, f, changes, nchanges, n, m->out + m->out_len, m->left_size, &first))
            return BP_CORRUPT;
        put_header(m->out + m->out_len, 0, 1, n, 0);
        m->left_n = 0;
        m->root = 0;
        m->pieces = 1;
        return BP_DONE;
    }
    while (m->left_n || !m->pieces) {
        bp_item entry = {0};
        uint64_t id, pages, used;
        cut(m, f, changes, nchanges, &n, &size);
        if (size > UINT32_MAX)
            return BP_TOO_LARGE;        /* an element could not say where its key is */
        pages = (size + ps - 1) / ps;
        m->need = pages * ps;
        if (pages * ps > m->out_cap - m->out_len || m->writes_n == m->writes_cap || m->freed_n == m->freed_cap)
            return BP_OUT;
        if (m->sp == m->stack_cap)
            return BP_STACK;
        if (!allocate(m, pages, &id)) {
            m->need = pages;
            return BP_ALLOC;
        }
        uint8_t *page = m->out + m->out_len;
        if (!(used = fill(m, f, changes, nchanges, n, page, pages * ps, &entry)))
            return BP_CORRUPT;
        memset(page + used, 0, pages * ps - used);
        put_header(page, id, f->leaf, n, pages - 1);
        bp_write *w = m->writes_n ? &m->writes[m->writes_n - 1] : NULL;
        if (w && w->at + w->len == m->out_len && w->pgid + w->len / ps == id)
            w->len += pages * ps;
        else
            m->writes[m->writes_n++] = (bp_write){m->out_len, pages * ps, id};
        m->out_len += pages * ps;
        entry.val = id;
        m->stack[m->sp++] = entry;
        m->left_n -= n;
        m->left_size -= size - HEADER;
        m->pages += pages;
        m->splits += m->pieces++ > 0;
    }
    return BP_DONE;
}

static int begin_node(bp_merge *m, bp_item *items)
{
    bp_frame *f = &m->frame[m->depth];
    uint64_t n;
    m->result_at = m->sp;
    m->emitting = 1;
    m->pieces = 0;
    m->next_old = m->next_change = 0;
    const bp_item *changes = node_changes(m, items, f, &n);
    return measure(m, f, changes, n) ? BP_CORRUPT : 0;
}

/* The node is written: its entries go to its parent, or a new root is made of them. 1: the tree is done. */
static int end_node(bp_merge *m)
{
    bp_frame *f = &m->frame[m->depth];
    uint32_t base = f->leaf ? (uint32_t)m->result_at : f->base, slot;
    uint64_t pieces = m->sp - m->result_at;
    if (f->pgid)
        m->freed[m->freed_n++] = (bp_span){f->pgid, f->pages};
    memmove(m->stack + base, m->stack + m->result_at, pieces * sizeof *m->stack);
    m->sp = base + pieces;
    m->emitting = 0;
    if (m->depth == 0) {
        if (pieces == 1)
            m->root = m->stack[base].val;
        if (pieces <= 1)
            return 1;
        for (uint64_t x = 0; x < pieces; x++) {
            m->stack[x].flags = OP_INSERT;
            m->stack[x].pos = 0;
        }
        memset(f, 0, sizeof *f);        /* a new, empty branch above */
        f->dirty = 1;
        return 0;
    }
    slot = f[-1].slot;
    for (uint64_t x = 0; x < pieces; x++) {
        m->stack[base + x].flags = x ? OP_INSERT : OP_REPLACE;
        m->stack[base + x].pos = x ? slot + 1 : slot;
    }
    m->depth--;
    return 0;
}

/* Merge the bucket at work. */
static int merge_tree(bp_merge *m, bp_item *items)
{
    for (;;) {
        bp_frame *f = &m->frame[m->depth];
        int r;
        if (m->emitting) {
            if ((r = emit(m, items)) != BP_DONE)
                return r;
            if (end_node(m))
                return BP_DONE;
            continue;
        }
        if (f->leaf) {
            int shrunk;
            if ((r = plan_leaf(m, f, items, &shrunk)) < 0)
                return -r;
        } else if (f->k < f->khi) {
            if ((r = enter_child(m, items)))
                return r;
            continue;
        } else
            r = f->dirty || m->sp > f->base;
        if (!r) {
            if (m->depth == 0)
                return BP_UNCHANGED;
            m->depth--;
            continue;
        }
        if ((r = begin_node(m, items)))
            return r;
        if (!m->left_n && m->depth)
            return BP_EMPTY;
    }
}

/* Let the entries of nested buckets have the values that these were given; those that stay as they are are no changes. */
static int take_values(bp_merge *m, bp_bucket *b, bp_item *items)
{
    uint64_t left = b->first;
    for (uint64_t i = b->first; i < b->first + b->n; i++) {
        bp_item it = items[i];
        if (it.flags & CHANGE_CHILD) {
            uint64_t child = it.vlen == 8 ? load64((const uint8_t *)(uintptr_t)it.val) : m->at;
            if (child >= m->at)
                return BP_MISMATCH;
            if (!m->results[child].len)
                continue;
            it.val = (uint64_t)(uintptr_t)m->results[child].at;
            it.vlen = (uint32_t)m->results[child].len;
            it.flags &= ~(uint32_t)CHANGE_CHILD;
        }
        items[left++] = it;
    }
    b->n = left - b->first;
    return 0;
}

/* Note the value of the bucket that is done: root, sequence, inline image. */
static int tell_value(bp_merge *m, const bp_bucket *b)
{
    int merged = m->stage == 2;
    uint64_t len = merged ? m->inline_len : b->root ? 0 : b->inline_len;
    uint8_t *at = m->values + m->values_len;
    m->need = 16 + len;
    if (m->need > m->values_cap - m->values_len)
        return BP_VALUES;
    store64(at, merged ? m->root : b->root);
    store64(at + 8, b->sequence);
    memcpy(at + 16, merged ? m->out + m->out_len : m->src->map + b->inline_at, len);
    m->results[m->at] = (bp_value){at, m->need};
    m->values_len += m->need;
    return 0;
}

int bp_merge_run(bp_merge *m, const bp_source *src, bp_bucket *buckets, uint64_t n, bp_item *items)
{
    for (; m->at < n; m->at++, m->stage = 0) {
        bp_bucket *b = &buckets[m->at];
        int r;
        if (!m->stage) {
            if ((r = take_values(m, b, items)))
                return r;
            if (!b->n && !b->how)
                continue;
            if ((r = bp_start(m, src, b)))
                return r;
            m->stage = 1;
        }
        if (m->stage == 1) {
            r = merge_tree(m, items);
            if (r != BP_DONE && r != BP_UNCHANGED)
                return r;
            if (r == BP_UNCHANGED && !(b->how & HOW_TELL))
                continue;
            m->stage = r == BP_DONE ? 2 : 3;
        }
        if ((r = tell_value(m, b)))
            return r;
    }
    return BP_DONE;
}

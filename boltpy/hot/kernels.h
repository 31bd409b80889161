/* The kernels' interface: cffi reads this file as it is, and kernels.c includes it.
 *
 * A kernel is a function over buffers that its caller owns: no allocation, no global, no policy. Every number
 * that comes from a page is checked against the page, and every page against the mapping, before it is used.
 * hot/pure_read.py and hot/pure_write.py say the same in Python and are the specification.
 */

typedef struct {
    const uint8_t *map;     /* the mapped file */
    uint64_t len;           /* bytes of it; 0 once the transaction has ended */
    uint64_t hwm;           /* high-water mark: pages from here on do not exist */
    uint64_t page_size;     /* bytes */
} bp_source;

typedef struct {
    const bp_source *src;
    uint64_t root;          /* pgid of the root page; 0: an inline bucket */
    uint64_t sequence;      /* of the bucket */
    uint64_t inline_at;     /* bytes into the map, where the inline page image starts */
    uint64_t inline_len;    /* bytes of it; 0: the bucket is empty */
} bp_tree;

typedef struct {
    uint64_t pgid;          /* the page at fault */
    uint64_t info;          /* what was found there */
    uint32_t code;          /* an index into raw_page.REASONS */
} bp_error;

typedef struct {
    uint64_t key_at;        /* bytes into the map */
    uint64_t value_at;
    uint32_t ksize;
    uint32_t vsize;
    uint32_t flags;
    bp_error err;
} bp_found;

typedef struct {            /* items that lie side by side in the map and have equal sizes */
    uint64_t at;            /* bytes into the map, of the first key */
    uint32_t count;
    uint32_t ksize;
    uint32_t vsize;
    uint32_t flags;
} bp_run;

typedef struct {
    uint64_t last_at;       /* bytes into the map, the key of the last item looked at: where to go on */
    uint32_t last_ksize;
    uint32_t done;          /* the range has no further item */
    uint8_t *keys;          /* for bp_scan_pairs: room for packed items */
    uint8_t *values;
    uint64_t room;          /* bytes of each */
    bp_error err;
    bp_run runs[1024];      /* a scan that fills them ends there */
} bp_scanned;

typedef struct {            /* a change of a leaf, or a new entry of a branch */
    const uint8_t *key;
    uint64_t val;           /* leaf: address of the value; branch: pgid of the child */
    uint32_t klen;
    uint32_t vlen;
    uint32_t flags;         /* the caller's bits, and the kernel's operation */
    uint32_t pos;           /* index of the old item that the operation is about */
} bp_item;

typedef struct {            /* a bucket with changes; those nested in it come before it */
    uint64_t root, inline_at, inline_len;   /* its tree, as in bp_tree */
    uint64_t first, n;      /* its changes: items[first .. first + n) */
    uint64_t threshold;     /* bytes: a left part of a split is not larger */
    uint64_t inline_max;    /* bytes: a root leaf up to here becomes an inline image; 0: never */
    uint64_t sequence;
    uint64_t how;           /* 1: write the root anew whatever the changes say, 2: tell the value even if it is the old */
} bp_bucket;

typedef struct {            /* the new value of a bucket's entry; no bytes: it stays as it is */
    const uint8_t *at;
    uint64_t len;
} bp_value;

typedef struct {
    uint64_t prefix;
    uint64_t index;
} bp_rank;

typedef struct {            /* an image that stands in for a committed page */
    uint64_t pgid;
    const uint8_t *at;
    uint64_t size;
} bp_override;

typedef struct {            /* a stretch of the output buffer and where it belongs */
    uint64_t at;
    uint64_t len;
    uint64_t pgid;
} bp_write;

typedef struct {
    uint64_t pgid;
    uint64_t count;
} bp_span;

typedef struct {            /* a leaf that lost items and is now too small to stand alone */
    uint64_t pgid;
    uint64_t size;          /* bytes that it would take */
    uint32_t count;         /* items that it would have */
    uint32_t first;         /* index of its first change */
} bp_weak_leaf;

typedef struct {
    const uint8_t *at;
    uint64_t pgid;
    uint64_t size;          /* bytes, overflow included */
    uint32_t count;
    uint32_t leaf;
    uint64_t pages;
    uint32_t k, khi;        /* its changes: items[k .. khi) */
    uint32_t slot, next;    /* branch: the child at work, and the first that may follow it */
    uint32_t base;          /* branch: its first entry on the stack */
    uint32_t dirty;         /* to be written whatever its changes say */
    uint32_t packed;        /* its items lie side by side in order */
} bp_frame;

typedef struct {
    const bp_source *src;
    const bp_override *over;    /* sorted by pgid */
    uint64_t over_n;
    uint64_t threshold, inline_max;     /* of the bucket at work */
    uint8_t *out;           /* finished pages, back to back */
    uint64_t out_cap, out_len;
    bp_write *writes;
    uint64_t writes_cap, writes_n;
    bp_span *freed;
    uint64_t freed_cap, freed_n;
    bp_item *stack;         /* entries of the branches at work */
    uint64_t stack_cap, sp;
    const uint64_t *pool;   /* free pages for single-page nodes, the next one last */
    uint64_t pool_n;
    uint64_t hwm;           /* next page when the pool is empty */
    uint64_t hwm_limit;     /* ... as long as it is below this */
    uint64_t given;         /* first page of a run that the caller allocated; 0: none */
    uint64_t need;          /* BP_OUT, BP_VALUES: bytes of what is next; BP_ALLOC: its pages */
    uint64_t root;          /* of the bucket at work: pgid of the new root */
    uint64_t inline_len;    /* bytes of its inline image at out + out_len; 0: none */
    uint64_t splits, pages; /* counted for the statistics */
    bp_value *results;      /* for each bucket */
    uint8_t *values;        /* what they point to */
    uint64_t values_cap, values_len;
    uint64_t at;            /* the bucket at work */
    uint32_t stage;         /* how far it is: 0 not begun, 1 in its tree, 2 merged, 3 unchanged */
    bp_error err;
    int32_t depth;
    uint32_t emitting;
    uint32_t pieces;        /* parts of the node at work that are written */
    uint32_t next_old, next_change;
    uint64_t left_n, left_size;
    uint64_t result_at;     /* on the stack: the first entry of the node at work */
    bp_frame frame[64];
} bp_merge;

/* what bp_get_many found */
typedef struct {
    uint64_t bytes;         /* of all values together */
    uint64_t asked;         /* how many are for bp_find to answer */
} bp_together;

uint64_t bp_fnv1a(const uint8_t *data, uint64_t len);

/* offset << 24 | length of the value in the map; or -1 no such key, -2 a nested bucket, -3 ask bp_find */
int64_t bp_get(const bp_tree *tree, const uint8_t *key, uint64_t klen);
/* 1 found, 0 missing, -1 see out->err */
int bp_find(const bp_tree *tree, const uint8_t *key, uint64_t klen, bp_found *out);
/* The tree of the nested bucket of this name: 1 it is there, 0 it is not, -1 something is wrong on the way */
int bp_nested(const bp_tree *tree, const uint8_t *name, uint64_t len, bp_tree *out);
/* out[i] as bp_get for n packed keys (see packing.py); 0, or -1 if something else is packed there */
int bp_get_many(const bp_tree *tree, const uint8_t *packed, uint64_t len, uint64_t n, int64_t *out, bp_together *sum);
/* The values that bp_get_many told, packed; None for what is none. 0, or -1 if one is not in the map or there is no room. */
int bp_pack_values(const bp_source *src, const int64_t *places, uint64_t n, uint8_t *out, uint64_t cap);
/* Runs of items from key on (NULL: from the end that `how` says) up to bound. The first may be of any size; the others
 * stop before they would pass max_bytes together, packed. The number of runs, or -1. */
int64_t bp_scan(const bp_tree *tree, const uint8_t *key, uint64_t klen, const uint8_t *bound, uint64_t bound_len,
                uint32_t how, uint64_t max_items, uint64_t max_bytes, bp_scanned *out);

/* The same; and if that is not a single run of pairs or a single item, the keys and the values packed as a list each, None
 * where a nested bucket is. With SCAN_KEYS no value, and none counts. -2 if there is no room. */
int64_t bp_scan_pairs(const bp_tree *tree, const uint8_t *key, uint64_t klen, const uint8_t *bound, uint64_t bound_len,
                      uint32_t how, uint64_t max_items, uint64_t max_bytes, bp_scanned *out);

/* Set a bit in marks for each page of the tree. How many pages; -1 see *err; -2 if marks has too few bits. */
int64_t bp_mark_pages(const bp_tree *tree, uint8_t *marks, uint64_t marks_len, bp_error *err);
/* The numbers of the first cap bits that are set, upward. How many there were. */
uint64_t bp_marked(const uint8_t *marks, uint64_t marks_len, uint64_t *out, uint64_t cap);

/* Lowest run of `need` neighbours among descending ids: the index of its lowest id, or -1 */
int64_t bp_find_run(const uint64_t *ids, uint64_t n, uint64_t need);
/* Merge two descending lists; 0, or -1 if an id is in there twice or out of order */
int bp_merge_ids(const uint64_t *a, uint64_t na, const uint64_t *b, uint64_t nb, uint64_t *out);
/* The same, as 8 little-endian bytes each, the lowest first */
int bp_store_ids(const uint64_t *a, uint64_t na, const uint64_t *b, uint64_t nb, uint8_t *out);

/* n packed keys and n packed values, with their bits, as items, those of each bucket sorted by key. counts has their
 * number for each bucket. There must be room for 2 n items of scratch. 0, or -1 if something else is packed there. */
int bp_changes(bp_item *items, bp_item *scratch, uint64_t n, const uint32_t *counts, uint64_t buckets,
               const uint8_t *packed, uint64_t len, const uint8_t *bits);
/* Whether sorted items are puts of one bucket that need no closer look: no key twice, all sizes within the limits. */
int bp_are_sound(const bp_item *items, uint64_t n, uint64_t max_key, uint64_t max_value);

/* Begin a walk over a bucket's tree (root 0: the inline image, or nothing if inline_len is 0). 0 or BP_CORRUPT. */
int bp_start(bp_merge *m, const bp_source *src, const bp_bucket *b);
/* Merge all buckets. 0 done; or what the caller must do before it calls again. */
int bp_merge_run(bp_merge *m, const bp_source *src, bp_bucket *buckets, uint64_t n, bp_item *items);
/* List leaves that the changes leave with limit bytes or less, or one item. The number, or -BP_...; done when
 * m->depth is below 0. */
int64_t bp_weak(bp_merge *m, bp_item *items, uint64_t limit, bp_weak_leaf *out, uint64_t cap);
/* The items of several leaves on one page with the id of the first. Its bytes, also if they pass cap and out was left
 * alone; or -1. */
int64_t bp_join(const bp_source *src, const uint64_t *pgids, uint64_t n, uint8_t *out, uint64_t cap, bp_error *err);

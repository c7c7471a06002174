/* The joint market and price core of sim/submodels/clearing.py, written and fused by hand in C.
 *
 * A rival for `make bench`, not a part of the model: the same equations, solver, tolerances and number of sweeps, with
 * what C does best: one array for each quantity, loops over firms without calls, everything that stays the same during a
 * solution worked out once, and no row for a slot that is empty. Compiled without -ffast-math.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-10
#define MAX_SWEEPS 500
#define HASTY 40
#define CAREFUL 24
#define EXACT 6
#define NEAR 0.1
#define RIDGE 1e-9
#define LARGEST_RENT_STEP 1.0
#define TINY 1e-300
#define LEAST_ELASTICITY 1.001

#define SIMD(...) _Pragma(#__VA_ARGS__)
#define SUM(...) SIMD(omp simd reduction(+:__VA_ARGS__))
#define EACH SIMD(omp simd)

typedef double *restrict column;

/* What is given, as in clearing.Given; arrays [replicate, ...], the last axis contiguous. */
typedef struct {
    int64_t n_replicates, n_owners, n_sectors, n_firms;
    double substitution, nest_growth, price_elasticity;
    const double *capacity, *supply, *floor, *captive_outlay, *captive_tax;
    const double *affinity, *last_weight;
    const double *loyalty, *desired_outlay, *means, *allotment, *own_chips, *training_cap;
    const double *compute_tax, *usage_tax, *revenue_taken, *serving_need;
    const double *appeal, *staying;
    const int64_t *group;
    const uint8_t *taken_differs;
    const double *budget, *initial_odds;
    double *log_rent, *share, *nest;
    int64_t *n_sweeps;
    double *gap;
} Problem;

/* One replicate: firms that take part side by side, n of them. */
typedef struct {
    int64_t O, S, n, n_joined;
    double rho, lambda, sigma;
    const double *budget, *initial_odds;
    /* owners */
    double *capacity, *supply, *floor, *log_floor, *captive_outlay, *captive_tax;
    double *log_rent, *rent, *pull, *captive, *pressure, *last_pressure, *step, *length, *last_gap;
    double *market, *exposed;
    /* sectors */
    double *expected_nest, *nest, *growth, *lead, *mean_reply, *steep, *choosing;
    /* firms */
    double *loyalty, *desired_outlay, *means, *given, *own_chips, *training_cap, *gross, *usage_tax, *kept, *need;
    double *served, *target_rent, *user_rent, *rent_part, *worth, *quantity, *rented, *loyal, *free;
    double *rise, *joint_rise, *elasticity, *sum_share, *sum_other, *shift, *own, *part, *through;
    /* owners x firms, sectors x firms */
    double *affinity, *last_weight, *response, *choice, *weight, *joint_response, *joint_exposed;
    double *appeal, *staying, *share, *reply, *steepening, *per_dollar, *target, *revenue;
    double *jacobian, *matrix, *members;
    int64_t *slot, *place, *joined, *head;
    uint8_t *differs;
} Work;

static double larger(double one, double other) { return other > one || isnan(other) ? other : one; }

static double between(double x, double low, double high) { return fmin(fmax(x, low), high); }

static void pace(double *length, double *last_gap, double gap) {
    *length = between(*length * (gap * *last_gap < 0.0 ? 0.5 : 1.2), 1e-3, 3.0);
    *last_gap = gap;
}

static void rents(Work *w) {
    const int64_t n = w->n;
    column served = w->served, target_rent = w->target_rent, user_rent = w->user_rent;
    column worth = w->worth, rent_part = w->rent_part, quantity = w->quantity;
    memset(served, 0, n * sizeof *served);
    memset(target_rent, 0, n * sizeof *served);
    memset(user_rent, 0, n * sizeof *served);
    for (int64_t j = 0; j < w->O; j++) {
        const double *restrict affinity = w->affinity + j * n, *restrict last = w->last_weight + j * n;
        const double rent = w->rent[j] = exp(w->log_rent[j]);
        const double pull = w->pull[j] = w->capacity[j] * pow(rent, -w->sigma);
        EACH for (int64_t i = 0; i < n; i++) {
            const double drawn = pull * affinity[i];
            served[i] += drawn;
            target_rent[i] += drawn * rent;
            user_rent[i] += last[i] * rent;
        }
    }
    const double *restrict loyalty = w->loyalty, *restrict need = w->need, *restrict gross = w->gross;
    const double *restrict usage_tax = w->usage_tax, *restrict kept = w->kept;
    EACH for (int64_t i = 0; i < n; i++) {
        target_rent[i] /= served[i];
        user_rent[i] = loyalty[i] * user_rent[i] + (1.0 - loyalty[i]) * target_rent[i];
        const double of_rent = need[i] * user_rent[i] * gross[i], cost = of_rent + usage_tax[i];
        rent_part[i] = of_rent / cost;
        worth[i] = kept[i] / cost;
        quantity[i] = 0.0;
    }
}

/* Prices, mutual best replies, customers and sales of a sector. */
static void sell(Work *w, int64_t s) {
    const int64_t n = w->n;
    const double rho = w->rho, outer = 1.0 + w->lambda * (rho - 1.0) * (1.0 - w->expected_nest[s]);
    const double *restrict appeal = w->appeal + s * n, *restrict staying = w->staying + s * n;
    const double *restrict share = w->share + s * n, *restrict worth = w->worth, *restrict kept = w->kept;
    column reply = w->reply + s * n, target = w->target + s * n, revenue = w->revenue + s * n;
    column steepening = w->steepening + s * n;
    column elasticity = w->elasticity, per_dollar = w->per_dollar + s * n, quantity = w->quantity;
    column sum_share = w->sum_share, sum_other = w->sum_other;

    EACH for (int64_t i = 0; i < n; i++) {
        sum_share[i] = share[i];
        sum_other[i] = kept[i] * share[i];
    }
    for (int64_t m = 0; m < w->n_joined; m++) {
        const int64_t i = w->joined[m], head = w->head[i];
        sum_share[head] += share[i];
        sum_other[head] += kept[i] * share[i];
    }
    for (int64_t m = 0; m < w->n_joined; m++) sum_share[w->joined[m]] = sum_share[w->head[w->joined[m]]];
    EACH for (int64_t i = 0; i < n; i++) elasticity[i] = rho + (outer - rho) * sum_share[i];
    for (int64_t i = 0; w->n_joined && i < n; i++)
        if (w->differs[i]) {
            const int64_t head = w->head[i];
            const double mean_kept = sum_share[head] == 0.0 ? 1.0 : sum_other[head] / sum_share[head];
            const double e = elasticity[i];
            elasticity[i] = fmax(rho / (1.0 + (rho - e) / e * mean_kept / kept[i]), LEAST_ELASTICITY);
        }

    double attraction = 0.0;
    if (rho - 1.0 == 2.0) {
        SUM(attraction) for (int64_t i = 0; i < n; i++) {
            per_dollar[i] = worth[i] * ((elasticity[i] - 1.0) / elasticity[i]);
            target[i] = appeal[i] * (per_dollar[i] * per_dollar[i]);
            attraction += target[i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            per_dollar[i] = worth[i] * ((elasticity[i] - 1.0) / elasticity[i]);
            target[i] = appeal[i] * pow(per_dollar[i], rho - 1.0);
            attraction += target[i];
        }
    }
    const double odds = w->initial_odds[s] * pow(attraction, w->lambda);
    w->nest[s] = odds / (1.0 + odds);
    w->growth[s] = w->lambda * odds / ((1.0 + odds) * (1.0 + odds));

    const double steepness = w->lambda * (rho - 1.0) * (rho - 1.0);
    double push = 0.0, against = 0.0;
    SUM(push, against) for (int64_t i = 0; i < n; i++) {
        const double scale = elasticity[i] * (elasticity[i] - 1.0);
        const double damped = scale + (rho - 1.0) * (rho - elasticity[i]);
        reply[i] = scale / damped;
        steepening[i] = steepness * sum_share[i] / damped;
        target[i] /= attraction;
        push += reply[i] * (target[i] - share[i]);
        against += reply[i] * share[i];
    }
    const double common = w->lead[s] = push / against;
    double whole = 0.0;
    if (!w->n_joined) {
        SUM(whole) for (int64_t i = 0; i < n; i++) {
            target[i] = fmax(share[i] + reply[i] * (target[i] - share[i] - share[i] * common), 0.0);
            whole += target[i];
        }
    } else {
        EACH for (int64_t i = 0; i < n; i++) {
            sum_share[i] = share[i] + reply[i] * (target[i] - share[i] - share[i] * common);
            sum_other[i] = target[i];
        }
        for (int64_t m = 0; m < w->n_joined; m++) {
            const int64_t i = w->joined[m], head = w->head[i];
            sum_share[head] += sum_share[i];
            sum_other[head] += target[i];
        }
        for (int64_t m = 0; m < w->n_joined; m++) {
            sum_share[w->joined[m]] = sum_share[w->head[w->joined[m]]];
            sum_other[w->joined[m]] = sum_other[w->head[w->joined[m]]];
        }
        const double *restrict members = w->members;
        SUM(whole) for (int64_t i = 0; i < n; i++) {
            const double part = sum_other[i] == 0.0 ? 1.0 / members[i] : target[i] / sum_other[i];
            target[i] = fmax(sum_share[i] * part, 0.0);
            whole += target[i];
        }
    }
    const double size = w->budget[s] * w->nest[s], choosing = w->choosing[s];
    double mean_reply = 0.0, steep = 0.0;
    SUM(mean_reply, steep) for (int64_t i = 0; i < n; i++) {
        target[i] /= whole;
        revenue[i] = size * (staying[i] + choosing * target[i]);
        quantity[i] += revenue[i] * per_dollar[i];
        mean_reply += reply[i] * target[i];
        steep += steepening[i] * target[i];
    }
    w->mean_reply[s] = mean_reply;
    w->steep[s] = steep / mean_reply;
}

static void demand(Work *w) {
    const int64_t n = w->n;
    column rented = w->rented, loyal = w->loyal, free = w->free;
    EACH for (int64_t i = 0; i < n; i++) {
        const double user_cost = w->user_rent[i] * w->gross[i], given = w->given[i];
        const double wanted = fmax(w->desired_outlay[i] - user_cost * given, 0.0);
        const double training = fmin(given + fmin(wanted, w->means[i]) / user_cost, w->training_cap[i]);
        rented[i] = fmax(training - given + w->need[i] * w->quantity[i] - w->own_chips[i], 0.0);
        loyal[i] = w->loyalty[i] * rented[i];
        free[i] = (1.0 - w->loyalty[i]) * rented[i] / w->served[i];
    }
    for (int64_t j = 0; j < w->O; j++) {
        const double *restrict affinity = w->affinity + j * n, *restrict last = w->last_weight + j * n;
        double of_loyal = 0.0, of_free = 0.0;
        SUM(of_loyal, of_free) for (int64_t i = 0; i < n; i++) {
            of_loyal += loyal[i] * last[i];
            of_free += free[i] * affinity[i];
        }
        w->captive[j] = w->captive_outlay[j] / (w->rent[j] * (1.0 + w->captive_tax[j]));
        w->pressure[j] = log(fmax(w->captive[j] + of_loyal + w->pull[j] * of_free, TINY) / w->supply[j]);
    }
}

static void sweep_once(Work *w) {
    rents(w);
    for (int64_t s = 0; s < w->S; s++) sell(w, s);
    demand(w);
}

static void rent_responses(Work *w) {
    const int64_t n = w->n;
    const double *restrict loyalty = w->loyalty;
    for (int64_t j = 0; j < w->O; j++) {
        const double *restrict affinity = w->affinity + j * n, *restrict last = w->last_weight + j * n;
        column choice = w->choice + j * n, weight = w->weight + j * n, response = w->response + j * n;
        const double rent = w->rent[j], pull = w->pull[j];
        EACH for (int64_t i = 0; i < n; i++) {
            choice[i] = pull * affinity[i] / w->served[i];
            const double free = (1.0 - loyalty[i]) * choice[i];
            weight[i] = loyalty[i] * last[i] + free;
            response[i] = (weight[i] * rent - free * w->sigma * (rent - w->target_rent[i])) / w->user_rent[i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const double user_cost = w->user_rent[i] * w->gross[i], given = w->given[i];
        const double wanted = w->desired_outlay[i] - user_cost * given;
        const int moves = w->rented[i] > 0.0 && wanted > 0.0 &&
                          given + fmin(wanted, w->means[i]) / user_cost < w->training_cap[i];
        w->own[i] = moves ? (wanted < w->means[i] ? w->desired_outlay[i] : w->means[i]) / user_cost : 0.0;
        w->shift[i] = (1.0 - loyalty[i]) * w->sigma * w->rented[i];
    }
}

/* Responses of the mean cost of an owner's firms in a sector, at the place of their head. */
static void joint_responses(Work *w, int64_t s) {
    const int64_t n = w->n, O = w->O;
    const double *restrict target = w->target + s * n;
    memset(w->joint_response, 0, O * n * sizeof(double));
    memset(w->joint_exposed, 0, O * n * sizeof(double));
    memcpy(w->sum_share, target, n * sizeof(double));
    for (int64_t m = 0; m < w->n_joined; m++) w->sum_share[w->head[w->joined[m]]] += target[w->joined[m]];
    for (int64_t i = 0; i < n; i++) {
        const int64_t head = w->head[i];
        if (w->members[i] == 1.0 || target[i] <= 0.0) continue;
        const double part = w->rent_part[i] * (target[i] / w->sum_share[head]);
        for (int64_t j = 0; j < O; j++) w->joint_response[j * n + head] += part * w->response[j * n + i];
    }
}

/* What a sector's sales add to the responses of demand. */
static void expose(Work *w, int64_t s) {
    const int64_t n = w->n, O = w->O;
    const double *restrict reply = w->reply + s * n, *restrict target = w->target + s * n;
    const double *restrict revenue = w->revenue + s * n, *restrict per_dollar = w->per_dollar + s * n;
    const double *restrict rent_part = w->rent_part, *restrict rented = w->rented, *restrict need = w->need;
    const double *restrict members = w->members, *restrict steepening = w->steepening + s * n;
    column part = w->part, through = w->through, own = w->own, joint = w->elasticity;
    const double mean_reply = w->mean_reply[s], steep = w->steep[s];
    EACH for (int64_t i = 0; i < n; i++) part[i] = reply[i] * target[i] * rent_part[i];
    if (w->n_joined) joint_responses(w, s);
    const double growth = w->growth[s] / (1.0 + w->growth[s] * steep), change = w->rho - 1.0;
    const double nest = w->nest[s], size = w->budget[s] * nest * w->choosing[s];
    EACH for (int64_t i = 0; i < n; i++) {
        const double use = rented[i] > 0.0 ? need[i] * per_dollar[i] : 0.0;
        const double kept = use * revenue[i], moving = change * use * size * target[i];
        const double all = kept + moving, rivals = reply[i] * all - kept;
        const double by_nest = change * kept / nest + steep * rivals - steepening[i] * all;
        through[i] = rivals - growth * by_nest;
        joint[i] = all * (1.0 - reply[i]);
        own[i] += rent_part[i] * (members[i] > 1.0 ? all : all - joint[i]);
    }
    for (int64_t j = 0; j < O; j++) {
        const double *restrict response = w->response + j * n, *restrict weight = w->weight + j * n;
        double market = 0.0, exposed = 0.0;
        SUM(market, exposed) for (int64_t i = 0; i < n; i++) {
            market += part[i] * response[i];
            exposed += weight[i] * through[i];
        }
        w->market[j] = market / mean_reply;
        w->exposed[j] = exposed;
    }
    for (int64_t j = 0; j < O; j++)
        for (int64_t k = 0; k < O; k++) w->jacobian[j * O + k] += w->exposed[j] * w->market[k];
    if (!w->n_joined) return;
    for (int64_t i = 0; i < n; i++)
        if (members[i] > 1.0)
            for (int64_t j = 0; j < O; j++) w->joint_exposed[j * n + w->head[i]] += w->weight[j * n + i] * joint[i];
    for (int64_t i = 0; i < n; i++)
        if (members[i] > 1.0 && w->head[i] == i)
            for (int64_t j = 0; j < O; j++)
                for (int64_t k = 0; k < O; k++)
                    w->jacobian[j * O + k] += w->joint_exposed[j * n + i] * w->joint_response[k * n + i];
}

/* Responses of mean rents and of demand to rents, in logs. */
static void respond(Work *w) {
    const int64_t n = w->n, O = w->O;
    rent_responses(w);
    memset(w->jacobian, 0, O * O * sizeof(double));
    for (int64_t s = 0; s < w->S; s++) expose(w, s);
    const double *restrict own = w->own, *restrict shift = w->shift;
    for (int64_t k = 0; k < O; k++) {
        const double *restrict response = w->response + k * n, *restrict choice = w->choice + k * n;
        column use = w->rise, move = w->free;
        EACH for (int64_t i = 0; i < n; i++) {
            use[i] = own[i] * response[i];
            move[i] = shift[i] * choice[i];
        }
        for (int64_t j = 0; j < O; j++) {
            const double *restrict weight = w->weight + j * n, *restrict other = w->choice + j * n;
            double sum = 0.0, moved = 0.0;
            SUM(sum, moved) for (int64_t i = 0; i < n; i++) {
                sum += other[i] * move[i] - weight[i] * use[i];
                moved += move[i];
            }
            w->jacobian[j * O + k] += j == k ? sum - moved : sum;
        }
    }
    for (int64_t j = 0; j < O; j++) {
        w->jacobian[j * O + j] -= w->captive[j];
        const double use = fmax(exp(w->pressure[j]) * w->supply[j], TINY);
        for (int64_t k = 0; k < O; k++) w->jacobian[j * O + k] /= use;
    }
}

static void eliminate(double *matrix, double *step, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t j = k + 1; j < n; j++)
            if (fabs(matrix[j * n + k]) > fabs(matrix[pivot * n + k])) pivot = j;
        for (int64_t m = 0; m < n; m++) {
            const double kept = matrix[k * n + m];
            matrix[k * n + m] = matrix[pivot * n + m];
            matrix[pivot * n + m] = kept;
        }
        const double kept = step[k];
        step[k] = step[pivot];
        step[pivot] = kept;
        for (int64_t j = k + 1; j < n; j++) {
            const double factor = matrix[j * n + k] / matrix[k * n + k];
            for (int64_t m = k; m < n; m++) matrix[j * n + m] -= factor * matrix[k * n + m];
            step[j] -= factor * step[k];
        }
    }
    for (int64_t k = n - 1; k >= 0; k--) {
        for (int64_t m = k + 1; m < n; m++) step[k] -= matrix[k * n + m] * step[m];
        step[k] /= matrix[k * n + k];
    }
}

static void newton_step(Work *w) {
    for (int64_t j = 0; j < w->O; j++) {
        const double slack = w->log_rent[j] - w->log_floor[j];
        const int is_floor = slack < -w->pressure[j];
        w->step[j] = is_floor ? -slack : w->pressure[j];
        for (int64_t k = 0; k < w->O; k++) {
            const double unit = j == k ? 1.0 : 0.0;
            w->matrix[j * w->O + k] = is_floor ? unit : RIDGE * unit - w->jacobian[j * w->O + k];
        }
    }
    eliminate(w->matrix, w->step, w->O);
}

static double step_rents(Work *w) {
    double gap = 0.0;
    for (int64_t j = 0; j < w->O; j++) {
        const double to_floor = w->log_floor[j] - w->log_rent[j];
        w->step[j] = fmax(between(w->step[j], -LARGEST_RENT_STEP, LARGEST_RENT_STEP), to_floor);
        gap = larger(gap, larger(fabs(w->step[j]), fabs(fmax(w->pressure[j], to_floor))));
        w->last_pressure[j] = w->pressure[j];
        w->log_rent[j] += w->step[j];
    }
    return gap;
}

static void foresee_costs(Work *w) {
    const int64_t n = w->n;
    column rise = w->rise;
    memset(rise, 0, n * sizeof *rise);
    for (int64_t j = 0; j < w->O; j++) {
        const double *restrict response = w->response + j * n, step = w->step[j];
        EACH for (int64_t i = 0; i < n; i++) rise[i] += step * response[i];
    }
    EACH for (int64_t i = 0; i < n; i++) rise[i] *= w->rent_part[i];
}

static double step_sector(Work *w, int64_t s) {
    const int64_t n = w->n;
    const double *restrict reply = w->reply + s * n, *restrict target = w->target + s * n, *restrict rise = w->rise;
    const double *restrict steepening = w->steepening + s * n;
    const double change = w->rho - 1.0, before = w->expected_nest[s], gap = w->nest[s] - before;
    column share = w->share + s * n, joint_rise = w->joint_rise;
    const double steep = w->steep[s];
    double mean_rise = 0.0, whole = 0.0, widest = 0.0;
    SUM(mean_rise) for (int64_t i = 0; i < n; i++) mean_rise += reply[i] * target[i] * rise[i];
    mean_rise /= w->mean_reply[s];
    const double grown = w->growth[s] * (w->lead[s] - change * mean_rise);
    const double nest = before + (gap + grown) / (1.0 + w->growth[s] * steep);
    w->expected_nest[s] = between(nest, 0.5 * before, 0.5 * (1.0 + before));
    const double nest_step = w->expected_nest[s] - before;

    memcpy(joint_rise, rise, n * sizeof *rise);
    if (w->n_joined) {
        for (int64_t i = 0; i < n; i++) w->sum_share[i] = target[i], w->sum_other[i] = target[i] * rise[i];
        for (int64_t m = 0; m < w->n_joined; m++) {
            const int64_t i = w->joined[m], head = w->head[i];
            w->sum_share[head] += target[i];
            w->sum_other[head] += target[i] * rise[i];
        }
        for (int64_t i = 0; i < n; i++)
            if (w->members[i] > 1.0) {
                const int64_t head = w->head[i];
                joint_rise[i] = w->sum_share[head] > 0.0 ? w->sum_other[head] / w->sum_share[head] : 0.0;
            }
    }
    SIMD(omp simd reduction(+:whole) reduction(max:widest)) for (int64_t i = 0; i < n; i++) {
        const double moves = fabs(target[i] - share[i]);
        widest = moves > widest ? moves : widest;
        const double more = change * (reply[i] * (mean_rise - joint_rise[i]) + joint_rise[i] - rise[i]) +
                            (reply[i] * steep - steepening[i]) * nest_step;
        share[i] = fmax(target[i] * (1.0 + more), 0.0);
        whole += share[i];
    }
    EACH for (int64_t i = 0; i < n; i++) share[i] /= whole;
    return larger(fabs(gap), isnan(whole) ? whole : widest);
}

static void learn(Work *w) {
    const int64_t O = w->O;
    double length = 0.0;
    for (int64_t j = 0; j < O; j++) length += w->step[j] * w->step[j];
    if (length == 0.0) return;
    for (int64_t j = 0; j < O; j++) {
        double surprise = w->pressure[j] - w->last_pressure[j];
        for (int64_t k = 0; k < O; k++) surprise -= w->jacobian[j * O + k] * w->step[k];
        for (int64_t k = 0; k < O; k++) w->jacobian[j * O + k] += surprise / length * w->step[k];
    }
}

static int64_t solve_one(Work *w, double *moved) {
    *moved = INFINITY;
    for (int64_t sweep = 1; sweep <= MAX_SWEEPS; sweep++) {
        const int is_hasty = sweep <= HASTY;
        sweep_once(w);
        if (is_hasty && *moved <= NEAR)
            learn(w);
        else
            respond(w);
        if (is_hasty || (sweep - HASTY - 1) % (CAREFUL + EXACT) >= CAREFUL)
            newton_step(w);
        else
            for (int64_t j = 0; j < w->O; j++) {
                pace(w->length + j, w->last_gap + j, w->pressure[j]);
                w->step[j] = w->length[j] * w->pressure[j];
            }
        *moved = step_rents(w);
        foresee_costs(w);
        for (int64_t s = 0; s < w->S; s++) *moved = larger(*moved, step_sector(w, s));
        if (*moved <= TOLERANCE) return sweep;
    }
    return MAX_SWEEPS;
}

/* Slots that rent or sell anything, or belong to a group; the others change nothing. */
static void gather(Work *w, const Problem *p, int64_t r) {
    const int64_t N = p->n_firms, O = w->O, S = w->S;
    const int64_t *group = p->group + r * N;
    int64_t n = 0;
    memset(w->place, 0, N * sizeof *w->place);
    for (int64_t i = 0; i < N; i++)
        if (group[i] != i) w->place[i] = w->place[group[i]] = 1;
    for (int64_t i = 0; i < N; i++) {
        int takes_part = w->place[i] || p->desired_outlay[r * N + i] > 0.0;
        for (int64_t s = 0; s < S && !takes_part; s++) {
            const int64_t at = (r * S + s) * N + i;
            takes_part = p->appeal[at] != 0.0 || p->share[at] != 0.0 || p->staying[at] != 0.0;
        }
        if (takes_part) {
            w->slot[n] = i;
            w->place[i] = n++;
        }
    }
    w->n = n;
    w->n_joined = 0;
    for (int64_t m = 0; m < n; m++) w->members[m] = 0.0;
    for (int64_t m = 0; m < n; m++) {
        const int64_t i = w->slot[m], at = r * N + i;
        w->head[m] = w->place[group[i]];
        if (w->head[m] != m) w->joined[w->n_joined++] = m;
        w->members[w->head[m]] += 1.0;
        w->differs[m] = p->taken_differs[at];
        w->loyalty[m] = p->loyalty[at];
        w->desired_outlay[m] = p->desired_outlay[at];
        w->means[m] = p->means[at];
        w->given[m] = fmin(p->allotment[at], p->training_cap[at]);
        w->own_chips[m] = p->own_chips[at];
        w->training_cap[m] = p->training_cap[at];
        w->gross[m] = 1.0 + p->compute_tax[at];
        w->usage_tax[m] = p->usage_tax[at];
        w->kept[m] = 1.0 - p->revenue_taken[at];
        w->need[m] = p->serving_need[at];
    }
    for (int64_t m = 0; m < w->n_joined; m++) w->members[w->joined[m]] = w->members[w->head[w->joined[m]]];
    for (int64_t j = 0; j < O; j++)
        for (int64_t m = 0; m < n; m++) {
            w->affinity[j * n + m] = p->affinity[(r * O + j) * N + w->slot[m]];
            w->last_weight[j * n + m] = p->last_weight[(r * O + j) * N + w->slot[m]];
        }
    for (int64_t s = 0; s < S; s++) {
        w->choosing[s] = 1.0;
        for (int64_t m = 0; m < n; m++) {
            const int64_t at = (r * S + s) * N + w->slot[m];
            w->appeal[s * n + m] = p->appeal[at];
            w->staying[s * n + m] = p->staying[at];
            w->share[s * n + m] = p->share[at];
            w->choosing[s] -= p->staying[at];
        }
    }
    for (int64_t j = 0; j < O; j++) {
        const int64_t at = r * O + j;
        w->capacity[j] = p->capacity[at];
        w->supply[j] = p->supply[at];
        w->log_floor[j] = log(p->floor[at]);
        w->captive_outlay[j] = p->captive_outlay[at];
        w->captive_tax[j] = p->captive_tax[at];
        w->length[j] = 0.5;
        w->last_gap[j] = 0.0;
    }
    w->log_rent = p->log_rent + r * O;
    w->expected_nest = p->nest + r * S;
}

static void scatter(const Work *w, const Problem *p, int64_t r) {
    for (int64_t s = 0; s < w->S; s++) {
        double *share = p->share + (r * w->S + s) * p->n_firms;
        memset(share, 0, p->n_firms * sizeof *share);
        for (int64_t m = 0; m < w->n; m++) share[w->slot[m]] = w->share[s * w->n + m];
    }
}

/* Move the guesses of all replicates to their fixed points. Not 0 when memory is short. */
int solve(const Problem *p) {
    const int64_t N = p->n_firms, O = p->n_owners, S = p->n_sectors;
    double *room = malloc(sizeof *room * (15 * O + 6 * S + 29 * N + 7 * O * N + 8 * S * N + 2 * O * O));
    int64_t *counts = malloc(sizeof *counts * 4 * N);
    uint8_t *flags = malloc(N);
    if (!room || !counts || !flags) return 1;
    Work w = {.O = O, .S = S, .rho = p->substitution, .lambda = p->nest_growth, .sigma = p->price_elasticity};
    w.budget = p->budget;
    w.initial_odds = p->initial_odds;
    double *next = room;
#define TAKE(name, size) (w.name = next, next += (size))
    TAKE(capacity, O), TAKE(supply, O), TAKE(log_floor, O), TAKE(captive_outlay, O), TAKE(captive_tax, O);
    TAKE(rent, O), TAKE(pull, O), TAKE(captive, O), TAKE(pressure, O), TAKE(last_pressure, O);
    TAKE(step, O), TAKE(length, O), TAKE(last_gap, O), TAKE(market, O), TAKE(exposed, O);
    TAKE(nest, S), TAKE(choosing, S), TAKE(growth, S), TAKE(lead, S), TAKE(mean_reply, S), TAKE(steep, S);
    TAKE(loyalty, N), TAKE(desired_outlay, N), TAKE(means, N), TAKE(given, N), TAKE(own_chips, N);
    TAKE(training_cap, N), TAKE(gross, N), TAKE(usage_tax, N), TAKE(kept, N), TAKE(need, N);
    TAKE(served, N), TAKE(target_rent, N), TAKE(user_rent, N), TAKE(rent_part, N), TAKE(worth, N);
    TAKE(quantity, N), TAKE(rented, N), TAKE(loyal, N), TAKE(free, N), TAKE(rise, N);
    TAKE(elasticity, N), TAKE(sum_share, N), TAKE(sum_other, N), TAKE(shift, N), TAKE(own, N);
    TAKE(joint_rise, N), TAKE(part, N), TAKE(through, N), TAKE(members, N);
    TAKE(affinity, O * N), TAKE(last_weight, O * N), TAKE(response, O * N), TAKE(choice, O * N), TAKE(weight, O * N);
    TAKE(joint_response, O * N), TAKE(joint_exposed, O * N);
    TAKE(appeal, S * N), TAKE(staying, S * N), TAKE(share, S * N), TAKE(reply, S * N), TAKE(target, S * N);
    TAKE(steepening, S * N), TAKE(per_dollar, S * N), TAKE(revenue, S * N), TAKE(jacobian, O * O), TAKE(matrix, O * O);
    w.slot = counts, w.place = counts + N, w.joined = counts + 2 * N, w.head = counts + 3 * N;
    w.differs = flags;
    for (int64_t r = 0; r < p->n_replicates; r++) {
        gather(&w, p, r);
        p->n_sweeps[r] = solve_one(&w, p->gap + r);
        scatter(&w, p, r);
    }
    free(room), free(counts), free(flags);
    return 0;
}

package problems

// Wordings of rate: somebody does so many an hour for some hours, day by day.
// {v} is what is done ("reads"), {base} its base form, {day} and {prev} days.
var (
	rateWordings = newBank("rate",
		"On {day}, {s} {v} {k n} [an|per|every] hour.",
		"On {day}, {s} {v} at a rate of {k n} [an|per] hour.",
		"{S} {v} {k n} [an|per|every|each] hour on {day}.",
		"As for {day}, {s} {v} {k n} [an|per|every] hour.",
	)
	rateUpWordings = newBank("faster",
		"On {day}, {s} {v} {k more} [an|per|every] hour than on {prev}.",
		"{day} goes better: {s} {v} {k more} [an|per] hour than on {prev}.",
		"Faster on {day}, {s} {v} {k more} [an|per] hour than on {prev}.",
		"Compared with {prev}, {s} {v} {k more} [an|per] hour on {day}.",
		"{S} {v} {k more} [an|each|every] hour on {day} than on {prev}.",
	)
	rateDownWordings = newBank("slower",
		"On {day}, {s} {v} {k fewer} [an|per|every] hour than on {prev}.",
		"{day} goes worse: {s} {v} {k fewer} [an|per] hour than on {prev}.",
		"Slower on {day}, {s} {v} {k fewer} [an|per] hour than on {prev}.",
		"Compared with {prev}, {s} {v} {k fewer} [an|per] hour on {day}.",
		"{S} {v} {k fewer} [an|each|every] hour on {day} than on {prev}.",
	)
	hoursWordings = newBank("hours",
		"{S} keeps this up for {h} [that day|on {day}].",
		"{S} [goes on|continues] for {h}.",
		"{S} does this for {h} [that day|on {day}].",
		"This [lasts|goes on] for {h} on {day}.",
		"{S} spends {h} on it [that day|on {day}].",
		"After {h}, {s} [stops|is done] for the day.",
		"The work takes {h} [that day|on {day}].",
	)
	goalWordings = newBank("goal",
		"{P} goal is to {base} {k n} in all.",
		"{A} wants to {base} {k n} [in total|in all|altogether].",
		"The [plan|aim|target] of {A} is to {base} {k n} in all.",
		"{A} has promised to {base} {k n} in total.",
		"Altogether, {A} [has|needs] to {base} {k n}.",
		"{A} [hopes|plans|intends] to {base} {k n} in all.",
	)
	restWordings = newBank("rest spread over days",
		"{A} [spreads|divides] the rest evenly over {d} more days.",
		"The rest is [spread|divided] evenly over {d} more days.",
		"{A} will finish the rest in {d} more days, with the same number [a|each|every] day.",
		"For the rest, {A} takes {d} more days, doing equally many [a|each|every] day.",
		"{d} more days are [left|planned] for the rest, with equally many each day.",
	)
	doneQuestions = newBank("question of what was done",
		"How many {n} does {A} {base} [in total|altogether|in all]?",
		"What is the total number of {n} that {A} {v}?",
		"How many {n} does {A} {base} in [all this time|all these hours]?",
		"[Find|Work out|Calculate] how many {n} {A} {v} in all.",
		"In [total|all], how many {n} does {A} {base}?",
		"What number of {n} does {A} {base} altogether?",
	)
	goalQuestions = newBank("question of what remains",
		"How many {n} does {A} still have to {base}?",
		"How many more {n} [must|does] {A} [have to|need to] {base}?",
		"How many {n} are [left|still left|missing] to reach that number?",
		"How far is {A} from that number of {n}?",
		"[Find|Work out|Calculate] how many {n} {A} still has to {base}.",
		"How many {n} remain for {A} to {base}?",
		"What number of {n} [remains|is left] for {A} to {base}?",
	)
	restQuestions = newBank("question of the rest per day",
		"How many {n} does {A} have to {base} on each of these days?",
		"How many {n} [a|per] day must {A} {base} then?",
		"How many {n} will {A} {base} on each of the {d} days?",
		"What is the number of {n} for each of [the {d}|these] days?",
		"[Find|Work out|Calculate] how many {n} {A} has to {base} on each of these days.",
		"On each of these days, how many {n} [must|will] {A} {base}?",
		"How many {n} fall to [each|every] one of these days?",
	)
)

// Wordings of leftover: a place uses up its supply. {W} and {w} are the place.
var (
	supplyWordings = newBank("supply",
		"{W} has {k n}.",
		"{W} [starts the month|starts the week|opens] with {k n}.",
		"There are {k n} in the storeroom of {w}.",
		"{W} has a [stock|supply|store] of {k n}.",
		"{W} [buys|orders|keeps] {k n}.",
		"At first, there are {k n} at {w}.",
	)
	usedWordings = newBank("used",
		"{W} uses {k n} on {day}. => {k are} used on {day}",
		"On {day}, {k are} [used|used up|handed out]. => {k are} [used|used up|handed out] on {day}",
		"On {day}, {w} [uses|needs] {k n}. => {k are} [used|needed] on {day}",
		"Then {k are} [lost|damaged|sold] on {day}. => {k are} [lost|damaged|sold] on {day}",
		"{W} [gives|lends] {k n} to a neighbor on {day}. => {k are} [given|lent] to a neighbor",
		"A party on {day} takes {k n}. => {k are} used for the party",
	)
	dailyWordings = newBank("used daily",
		"For {b} days, {w} uses {m n} [a|each|every|per] day.",
		"{W} uses {m n} [a|each|every] day for {b} days.",
		"[During|Over] the next {b} days, {w} uses {m n} a day.",
		"Every day for {b} days, {m n} are used[| up].",
		"Then come {b} [busy|cold|long] days on which {m n} a day are used.",
	)
	leftQuestions = newBank("question of what is left",
		"How many {n} are left[| in the end| at the end]?",
		"How many {n} does {w} have left[| in the end| at the end]?",
		"How many {n} [remain|are still there]?",
		"What number of {n} is [left|left over]?",
		"[Find|Work out] how many {n} are left.",
	)
)

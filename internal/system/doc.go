// Package system has the tests of the whole path: the real programs, started as an operator starts them, with a terminal
// that does what a browser does, on the embedded Redis and on a server, with one broker and with three.
//
// Nothing in here reaches into a program: what is tested is what terminals, edges and operators see. Tests are named by
// the requirements that they show (A1 to A15, B1 to B9). Each sentence of a requirement, and the tests that show it; those without a
// folder are here:
//
//	A1  five task types                       TestA1EveryTypeIsDone; edge-renderer/compute TestA1EveryComputeType
//	    type filters first, then distance     TestA1TaskTypesAreAFilter; cloud-broker/placement TestA1TypeIsAFilterFirst,
//	                                          TestA1DistanceDecidesAmongTheFreeOfAType
//	    the terminal derives it beforehand    TestA2EdgeFirst (its list of edges is of one type)
//	    the cloud does when it is asked       TestA1TaskTypesAreAFilter
//	    the edge checks it with the data      edge-renderer/agent TestA1EdgeChecksTheType
//	A2  nearest of the type first, no data    TestA2EdgeFirst; internal/terminal TestA2EdgeFirst, TestA2EdgeIsFoundInTheLocalNetwork
//	    identity and kind of the request      TestA2TheRequestCarriesIdentityAndKind
//	    a free edge accepts, then the data    TestA2EdgeFirst; edge-renderer/agent TestA2FreeEdgeAccepts; cloud-broker TestA2*
//	A3  LAN address, configuration, ping      TestA3Distance; cloud-broker/placement TestA3DistanceFromTheStrongestBasis;
//	                                          cloud-broker/sites TestA3TerminalsAreFoundByAddress; cloud-broker TestA3*
//	    nearer than the cloud                 TestA3Distance; cloud-broker/placement TestA3OnlyWhatIsNearerThanTheCloudIsAnEdge
//	A4  a busy edge sends the request on      TestA4BusyEdge; edge-renderer/agent TestA4BusyEdgeForwards
//	    another edge, the terminal answered   TestA4BusyEdge; cloud-broker TestA4ABusyEdgeSendsTheRequestOn
//	    data straight there, no second asking TestA4BusyEdge
//	    the first edge dies                   TestA4BusyEdge; cloud-broker TestA4EventsAtAnyBroker
//	A5  cloud first, nearest free             TestA5BrokerFirstTakesTheNearestFreeEdge; cloud-broker TestA5*
//	    it knows every edge                   TestA5AnyBrokerAnswers
//	A6  what the instruction says             cloud-broker TestA6TheInstructionNamesTerminalTaskAndType
//	    hold, wait for that terminal          TestA6GrantOnlyAfterTheEdgeConfirmed; edge-renderer/session TestA6*, seat TestA6OneTerminalHasThePlace
//	    the terminal does not come            TestA11ComputeIsResidentAndRenderingIsReleased; edge-renderer/session TestA6TerminalThatDoesNotCome
//	A7  a limit for the terminal              TestA7NoNodeBeyondTheLimit, TestA7LimitOfASite
//	    any edge within the range             TestA7NoNodeBeyondTheLimit; cloud-broker/placement TestA7TheLimitOfDistance
//	A8  no edge free: the cloud executes      TestA8CloudTierOnlyWhenNoEdgeIsFree, TestA14Order
//	    by the same rules, release included   TestA8CloudTierOnlyWhenNoEdgeIsFree, TestA9TheCloudDoesTheSame
//	    (our policy) data that stays          TestA8DataThatStays
//	A9  resident, allocate, defer, ask        TestA9Handling, TestA9Defer; edge-renderer/task TestA9*
//	    looked up when the data arrives       edge-renderer/task TestA9HandlingIsLookedUpWhenTheDataArrives
//	    the cloud for its own                 TestA9TheCloudDoesTheSame
//	    configured beforehand                 TestA9Handling; cloud-broker TestA9HandlingIsShown
//	A10 by hand, by configuration             TestA10FitByConfiguration; cloud-broker TestA10AnOperatorSaysWhatANodeOffers
//	    from history                          cloud-broker TestA10WhatEndedTasksHaveShown; cloud-broker/placement TestA10HistoryRefinesTheOrder;
//	                                          cloud-broker/pool TestA10Experience
//	A11 compute is resident                   TestA11ComputeTasksLeaveTheWorkersAlone; edge-renderer/task TestA11ComputeIsResident
//	    rendering from its start to its end   TestA11ComputeIsResidentAndRenderingIsReleased
//	    (a) "Done"                            the same; web/e2e;edge-renderer/session TestA11FinishReleases
//	    (b) no new data for a time            the same;edge-renderer/session TestA11PageCloseAndIdleTimeoutRelease
//	A12 the edge keeps up                     TestA12ShadowTakesOver; edge-renderer/session TestA12ShadowHasTheViewInStep
//	    taking over fetches nothing           edge-renderer/session TestA12FirstPictureAfterTakingOver
//	    off on fast networks                  TestA12WithoutAShadow; cloud-broker TestA12ShadowsAreOffOnFastNetworks
//	A13 local first, and why not              TestA13LocalFirst; internal/terminal TestA13ComputeOnTheTerminalItself
//	A14 S101 to S116, answers by name         TestA14Order, TestA14AnswersAreNamed, TestA14RequestsThatAreAskedAgain
//	A15 compute: data in, result out          TestA1EveryTypeIsDone, TestA15InputThatIsNoInput; edge-renderer/compute TestA15*
//	    rendering: image data, images out     TestA14SessionFromTheListOfStudiesToItsEnd, TestA14Order
//
//	B1  resources, creator, type, framework   cloud-broker/pool TestB1HistoryKeepsTheParameters; cloud-broker/foresight
//	                                          TestB2EachParameterIsLookedAt
//	    a quota bounds what is allocated      cloud-broker TestB1QuotaOfAUser; cloud-broker/pool TestB1Quota*; cloud-broker/sites
//	                                          TestB1QuotasAreOfUsers
//	    users see state and run information   cloud-broker TestB1UsersSeeTheirTasks
//	B2  run time from the parameters          cloud-broker/predict TestB2*; cloud-broker/foresight TestB2LearnsFromWhatHasEnded;
//	                                          cloud-broker TestB2*
//	    real use does not leak                cloud-broker/predict and foresight TestB2RealUseDoesNotLeak
//	B3  0 <= d <= D, 0 <= t <= T              cloud-broker/nodetime TestB3AmountsAndTimesStayWithinTheirTotals; cloud-broker/nodetimes
//	                                          TestB3TimesStayWithinTheirTotals
//	    T from D, t from d, by the speed      cloud-broker/nodetime TestB3TimeFollowsFromAmountsByTheNodesSpeed
//	    circulation, the example of 7 days    cloud-broker/nodetime TestB3TimeGrowsByAPeriodPerPeriod; cloud-broker/nodetimes
//	                                          TestB3CirculationGivesTimeBack
//	    t for the whole node                  cloud-broker/nodetime TestB3OneTimeForTheWholeNode
//	    what comes back is placed at once     cloud-broker/nodetime TestB3WhatAPeriodGivesBackCanBePlacedAtOnce; cloud-broker/nodetimes
//	                                          TestB3TimeFollowsWhatIsPlaced
//	B4  B4.1: affinity, devices, amounts      cloud-broker/fit TestB4_1FirstFilter, TestB41EveryKindOfResource
//	    B4.2: only t > t1, the closer better  cloud-broker/fit TestB4_2*; cloud-broker/placement TestB42*
//	    no node has t > t1: it waits          cloud-broker TestB42ATaskWaitsForANodeThatStays
//	    B4.3: amounts updated at once         cloud-broker/fit TestB4_3*; the pool's claim (A10)
//	B5  average use R1 over W1                cloud-broker/scale TestB5AverageOfInstantaneousRates, TestB5WindowIsNoLongerThanTheRun
//	    R1 < r1 shrinks, R1 > r2 expands      cloud-broker/scale TestB5ThresholdsShrinkAndExpand; cloud-broker TestB5SessionsAreScaled
//	    by how much                           cloud-broker/scale TestB5ShrinkAmounts, TestB5ExpandAmountByHowFarUseIsAboveR2
//	    without stopping the task             edge-renderer/session TestB5PicturesGoOnOverBudgetChanges; edge-renderer/task
//	                                          TestB5TaskGoesOnWithOtherWorkers
//	B6  B6.1: at once, or waits and gives up  cloud-broker/scale TestB61*; cloud-broker/scaling TestB6ShrinksWhatIsIdle
//	    B6.2: at once, or waits and gives up  cloud-broker/scale TestB62*; cloud-broker/scaling TestB6Expan*
//	    the node's free amount                cloud-broker/pool TestB6ResizeMovesFreeAmounts; cloud-broker/scaling TestFreeAmountsAddUp
//	B7  two nodes above a preset for W-e      cloud-broker/defrag TestB7TwoNodesAboveThePresetThroughoutWe,
//	                                          TestB7ConditionMustHoldThroughout
//	    a task waits though the sum suffices  cloud-broker/defrag TestB7TaskNotScheduledWhileTheSumExceedsItsRequest; cloud-broker
//	                                          TestB7DefragmentationBringsSessionsTogether
//	    candidates, labels                    cloud-broker/defrag TestB7CandidatesByThresholdAndLabels
//	    target: highest average use           cloud-broker/defrag TestB7TargetHasTheHighestAverageUse
//	B8  pause, save, resume elsewhere         TestB8ComputeTaskMovesMidWay; edge-renderer/task TestB8OperationsGoOnFromTheirCheckpoint;
//	                                          edge-renderer/compute TestB8ComputeTask*
//	    a session: make before break          TestB8MoveByHand, TestB8TwentyMovesInARow, TestB8ThreeBrokers; edge-renderer/session
//	                                          TestB8SessionMovesWhileTheHandMoves, TestB8TargetHasTheViewOfTheSource
//	    time run, time left, use, need        cloud-broker/defrag TestB8RunInformation, TestB8TargetsFreeTotalIsTestedAgainstTheNeed;
//	                                          edge-renderer/session TestB8IdleTimeGoesOnOverAMove
//	    waits, another target, gives up       cloud-broker/defrag TestB8WaitsAndReadsAgain, TestB8WaitIsAtLeastTheTargetsCirculationPeriod,
//	                                          TestB8StopsAtWg, TestB8ChoosesAnotherTargetAtWg
//	    reserved first, released last         cloud-broker TestB8AMoveReservesFirstHandsOverAndReleasesLast
//	    given up: it is where it was          TestB8TargetThatDies; edge-renderer/session TestB8MoveThatFailsLeavesTheSessionWhereItWas;
//	                                          edge-renderer/compute TestB8ComputeTaskThatStaysGoesOn
//	    drained, lost                         TestB8DrainMovesTheSession, TestB8EdgeKilledWithoutWarning,
//	                                          TestB8ShadowTakesOverWithoutWarning; cloud-broker TestB8Drain*, TestB8ALostNode*
//	B9  B9.1: who reports to whom             cloud-broker/scale TestB91*; cloud-broker/scaling TestB9*
//	    B9.2: labels, reports, the monitor    cloud-broker/defrag TestB92*; cloud-broker/moving, board; cloud-broker TestB9Operators*
//
// What edges, terminals and requests must not be is in badinput_test.go, identity_test.go and messages_test.go, the queue
// in places_test.go, what happens when something dies in outage_test.go and, at random, in internal/chaos.
package system
